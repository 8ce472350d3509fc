"""Counts, facets, deletions and updates of what a filter holds for."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api.conftest import assert_problem, chunk, new_library, put

NEW = {"field": "year", "op": "gte", "value": 1992}
ALL: dict[str, Any] = {"and": []}


@pytest.fixture
def books(client: TestClient, library: str) -> str:
    """Four documents: d0 to d2 of 1990, 1992, 1994 with one to three chunks, and d3 with neither year nor chunk."""
    for number in range(4):
        metadata = {"year": 1990 + 2 * number, "seen": f"2026-01-0{number + 1}T01:00:00+01:00"} if number < 3 else {}
        chunks = [
            chunk(f"c{number}{at}", number, at, metadata={"kind": "ab"[at % 2]})
            for at in range(number + 1 if number < 3 else 0)
        ]
        put(
            client,
            library,
            f"d{number}",
            *chunks,
            title="even" if number % 2 == 0 else "odd",
            tags=["x", "y"][:number],
            metadata=metadata,
        )
    return library


def post(client: TestClient, url: str, **body: object) -> dict[str, Any]:
    answer = client.post(url, json=body)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_counts_are_of_a_filter_or_of_everything(client: TestClient, books: str) -> None:
    assert post(client, f"{books}/documents:count") == {"count": 4, "position": 4}
    assert post(client, f"{books}/chunks:count") == {"count": 6, "position": 4}
    assert post(client, f"{books}/documents:count", filter=NEW)["count"] == 2
    assert post(client, f"{books}/chunks:count", filter=NEW)["count"] == 5


def test_facets_tell_values_ranges_and_ends(client: TestClient, books: str) -> None:
    ranges = [{"lt": 1992}, {"gte": 1992, "lt": 1994}, {"gt": 1990, "lte": 1994}]
    asked = [{"field": "tags"}, {"field": "title", "top": 1}, {"field": "year", "ranges": ranges, "stats": True}]

    told = post(client, f"{books}/documents:facets", facets=asked)

    assert told == {
        "count": 4,
        "position": 4,
        "facets": [
            {
                "field": "tags",
                "missing": 0,
                "values": [{"value": "x", "count": 3}, {"value": "y", "count": 2}],
                "distinct": 2,
            },
            {"field": "title", "missing": 0, "values": [{"value": "even", "count": 2}], "distinct": 2},
            {
                "field": "year",
                "missing": 1,
                "ranges": [{**ranges[0], "count": 1}, {**ranges[1], "count": 1}, {**ranges[2], "count": 2}],
                "stats": {"min": 1990, "max": 1994},
            },
        ],
    }


def test_facets_of_chunks_may_be_of_their_documents(client: TestClient, books: str) -> None:
    asked = [{"field": "document_id"}, {"field": "year"}, {"field": "kind"}]

    told = post(client, f"{books}/chunks:facets", filter=NEW, facets=asked)["facets"]

    assert [[(one["value"], one["count"]) for one in facet["values"]] for facet in told] == [
        [("d2", 3), ("d1", 2)],
        [(1994, 3), (1992, 2)],
        [("a", 3), ("b", 2)],
    ]


def test_facets_of_nothing_have_no_ends(client: TestClient, books: str) -> None:
    told = post(client, f"{books}/documents:facets", filter={"or": []}, facets=[{"field": "year", "stats": True}])

    assert told["facets"] == [{"field": "year", "missing": 0, "stats": {"min": None, "max": None}}]


def test_times_declared_as_such_are_told_in_utc(client: TestClient) -> None:
    schema = {"documents": {"seen": {"type": "datetime"}}}
    library = new_library(client, dimension=2, metadata_schema=schema)
    put(client, library, "d", metadata={"seen": "2026-01-01T01:00:00+01:00"})
    ranges = [{"lte": "2026-01-01T00:00:00Z"}]

    told = post(
        client, f"{library}/documents:facets", facets=[{"field": "seen", "top": 1, "ranges": ranges, "stats": True}]
    )

    (facet,) = told["facets"]
    assert facet["values"] == [{"value": "2026-01-01T00:00:00Z", "count": 1}]
    assert facet["ranges"] == [{**ranges[0], "count": 1}]
    assert facet["stats"] == {"min": "2026-01-01T00:00:00Z", "max": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("facet", "slug"),
    [
        ({"field": "yaer"}, "unknown-field"),
        ({"field": "id"}, "invalid-field"),
        ({"field": "tags", "stats": True}, "invalid-field"),
        ({"field": "year", "ranges": [{"lt": "x"}]}, "invalid-field"),
        ({"field": "year", "ranges": [{}]}, "invalid-request"),
        ({"field": "year", "ranges": [{"lt": 1, "lte": 2}]}, "invalid-request"),
        ({"field": "year", "ranges": [{"lt": 1}] * 101}, "invalid-request"),
        ({"field": "year", "top": 1001}, "invalid-request"),
        ({"field": "year", "top": 0}, "invalid-request"),
    ],
)
def test_facets_there_cannot_be_are_refused(client: TestClient, books: str, facet: dict[str, Any], slug: str) -> None:
    assert_problem(client.post(f"{books}/documents:facets", json={"facets": [facet]}), 422, slug)


def test_deleting_by_filter_deletes_documents_with_their_chunks(client: TestClient, books: str) -> None:
    tried = post(client, f"{books}/documents:delete", filter=NEW, dry_run=True)
    answer = client.post(f"{books}/documents:delete", json={"filter": NEW})

    assert tried == {"matched": 2, "deleted": 0, "position": 4}
    assert answer.json() == {"matched": 2, "deleted": 2, "position": 5}
    assert answer.headers["pergamum-position"] == "5"
    assert post(client, f"{books}/documents:count")["count"] == 2
    assert [one["id"] for one in client.get(f"{books}/chunks").json()["items"]] == ["c00"]
    assert [hit["chunk_id"] for hit in client.post(f"{books}/search", json={"vector": [2, 2]}).json()["hits"]] == [
        "c00"
    ]


def test_deleting_chunks_by_filter_leaves_their_documents_the_rest(client: TestClient, books: str) -> None:
    told = post(client, f"{books}/chunks:delete", filter={"field": "kind", "op": "eq", "value": "a"})

    documents = client.get(f"{books}/documents").json()["items"]
    assert told["deleted"] == 4
    assert [(one["id"], one["chunks"], one["version"]) for one in documents] == [
        ("d0", 0, 2),
        ("d1", 1, 2),
        ("d2", 1, 2),
        ("d3", 0, 1),
    ]
    assert post(client, f"{books}/chunks:count", filter={"field": "kind", "op": "exists"})["count"] == 2


def test_updating_documents_by_filter_changes_fixed_and_metadata_fields(client: TestClient, books: str) -> None:
    changes = {
        "set": {"title": "new", "author": None, "metadata.title": "hidden"},
        "unset": ["year"],
        "append": {"tags": ["z", "x"], "list": [1, 1, 2]},
    }

    told = post(client, f"{books}/documents:update", filter=NEW, **changes)
    removed = post(client, f"{books}/documents:update", filter=ALL, remove={"tags": ["x"], "list": [1]})

    document = client.get(f"{books}/documents/d1").json()
    assert (told["updated"], removed["updated"]) == (2, 4)
    assert (document["title"], document["tags"], document["version"]) == ("new", ["z"], 3)
    assert document["metadata"] == {"title": "hidden", "list": [2], "seen": "2026-01-02T01:00:00+01:00"}
    assert "list" not in client.get(f"{books}/documents/d0").json()["metadata"]
    assert (
        post(client, f"{books}/documents:count", filter={"field": "tags", "op": "any_of", "value": ["x"]})["count"] == 0
    )
    assert post(client, f"{books}/documents:count", filter=NEW)["count"] == 0


def test_updating_chunks_by_filter_keeps_texts_and_vectors(client: TestClient, books: str) -> None:
    told = post(client, f"{books}/chunks:update", filter=NEW, set={"page_number": 7, "kind": "z"})

    read = client.get(f"{books}/chunks/c21", params={"include": "embedding"}).json()
    assert told["updated"] == 5
    assert (read["page_number"], read["metadata"], read["text"], read["version"]) == (7, {"kind": "z"}, "c21", 2)
    assert read["embedding"] == [2.0, 1.0]
    assert client.get(f"{books}/documents/d2").json()["version"] == 2
    assert post(client, f"{books}/chunks:count", filter={"field": "page_number", "op": "eq", "value": 7})["count"] == 5


def test_one_that_does_not_fit_refuses_the_update_of_all(client: TestClient, books: str) -> None:
    put(client, books, "late", metadata={"year": 2000})
    change = {"filter": NEW, "append": {"new": ["a"]}, "set": {"year": "soon"}}
    before = client.get(f"{books}/documents").json()

    tried = post(client, f"{books}/documents:update", **change, dry_run=True)
    problem = client.post(f"{books}/documents:update", json=change).json()

    assert (tried["matched"], tried["updated"], tried["failing"]) == (3, 0, 3)
    assert [one["id"] for one in tried["failures"]] == ["d1", "d2", "late"]
    assert problem["type"] == "/problems/invalid-metadata"
    assert problem["document_id"] == "d1"
    assert client.get(f"{books}/documents").json() == before


def test_a_dry_run_that_would_do_says_so(client: TestClient, books: str) -> None:
    told = post(client, f"{books}/chunks:update", filter=ALL, set={"kind": "c"}, dry_run=True)

    assert told == {"matched": 6, "updated": 0, "failing": 0, "failures": [], "position": 4}
    assert post(client, f"{books}/chunks:count", filter={"field": "kind", "op": "eq", "value": "c"})["count"] == 0


@pytest.mark.parametrize(
    ("noun", "change", "slug"),
    [
        ("documents", {}, "invalid-request"),
        ("documents", {"set": {"title": 3}}, "invalid-request"),
        ("documents", {"set": {"tags": [""]}}, "invalid-request"),
        ("documents", {"append": {"tags": [3]}}, "invalid-request"),
        ("documents", {"append": {"tags": []}}, "invalid-request"),
        ("documents", {"set": {"title": "x"}, "unset": ["title"]}, "invalid-request"),
        ("documents", {"set": {"year": 1}, "unset": ["metadata.year"]}, "invalid-field"),
        ("documents", {"set": {"version": 9}}, "invalid-field"),
        ("documents", {"set": {"text": "x"}}, "invalid-field"),
        ("documents", {"append": {"title": ["x"]}}, "invalid-field"),
        ("documents", {"append": {"year": [1]}}, "invalid-field"),
        ("documents", {"append": {"tags": [str(n) for n in range(100)]}}, "invalid-field"),
        ("documents", {"set": {"year": 1}, "unset": ["year"]}, "invalid-request"),
        ("chunks", {"set": {"page_number": -1}}, "invalid-request"),
        ("chunks", {"set": {"text": "x"}}, "invalid-field"),
        ("chunks", {"remove": {"page_number": [1]}}, "invalid-field"),
        ("chunks", {"set": {"kind": 3}}, "invalid-metadata"),
    ],
)
def test_changes_that_cannot_be_are_refused(
    client: TestClient, books: str, noun: str, change: dict[str, Any], slug: str
) -> None:
    answer = client.post(f"{books}/{noun}:update", json={"filter": ALL, **change})

    assert_problem(answer, 422, slug)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"set": {"deep": [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}}, "body.set"),
        ({"set": {"long": "x" * 65_537}}, "body.set"),
        ({"append": {"list": [2**63]}}, "body.append"),
    ],
)
def test_a_value_no_metadata_can_hold_is_refused_where_it_stands(
    client: TestClient, books: str, change: dict[str, Any], field: str
) -> None:
    answer = client.post(f"{books}/documents:update", json={"filter": ALL, **change})

    assert assert_problem(answer, 422, "invalid-request")["errors"][0]["field"] == field


def test_tags_of_chunks_are_metadata_like_any_other(client: TestClient, books: str) -> None:
    many = [str(number) for number in range(101)]

    told = post(client, f"{books}/chunks:update", filter=ALL, append={"tags": many})

    assert told["updated"] == 6
    assert client.get(f"{books}/chunks/c00").json()["metadata"]["tags"] == many


def test_metadata_cannot_grow_beyond_its_limit(client: TestClient, books: str) -> None:
    def half(name: str) -> dict[str, Any]:
        return {"filter": ALL, "append": {name: ["x" * 40_000]}}

    for noun in ("documents", "chunks"):
        post(client, f"{books}/{noun}:update", **half("first"))
        tried = post(client, f"{books}/{noun}:update", **half("second"), dry_run=True)
        refused = assert_problem(client.post(f"{books}/{noun}:update", json=half("second")), 422, "invalid-field")
        assert tried["failing"] == tried["matched"]
        assert refused["field"] == "metadata"
    for path in ("documents/d0", "chunks/c00"):
        patch = {"metadata": {"second": "x" * 40_000}}
        assert assert_problem(client.patch(f"{books}/{path}", json=patch), 422, "invalid-field")["field"] == "metadata"
        assert "second" not in client.get(f"{books}/{path}").json()["metadata"]
        assert client.patch(f"{books}/{path}", json={"metadata": {"first": None, "second": 1}}).status_code == 200


@pytest.mark.parametrize("verb", ["documents:delete", "chunks:delete", "documents:update"])
@pytest.mark.parametrize("body", [{}, {"filter": None}, {"filter": {}}, {"filter": {"field": "yaer", "op": "exists"}}])
def test_everything_is_never_meant_by_nothing(client: TestClient, books: str, verb: str, body: dict[str, Any]) -> None:
    change = {"set": {"title": "x"}} if verb.endswith("update") else {}

    assert client.post(f"{books}/{verb}", json={**body, **change}).status_code == 422
    assert post(client, f"{books}/documents:count")["count"] == 4


@pytest.mark.parametrize("verb", ["query", "count", "facets", "delete", "update"])
def test_a_library_that_is_not_there_is_not_found(client: TestClient, verb: str) -> None:
    body = {"filter": ALL, "facets": [{"field": "id"}], "set": {"title": "x"}}
    wanted = {"query": ["filter"], "count": ["filter"], "facets": ["filter", "facets"], "delete": ["filter"]}
    sent = {name: body[name] for name in wanted.get(verb, ["filter", "set"])}

    assert_problem(client.post(f"/v1/libraries/nobody/documents:{verb}", json=sent), 404, "library-not-found")

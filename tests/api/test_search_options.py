"""What searches may ask for, one by one: what is refused, and what the answers tell."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api.conftest import assert_problem, chunk, new_library, put

TEXT = {"text": "moon"}
VECTOR = {"vector": [1, 1]}


@pytest.fixture
def moons(client: TestClient, texts: str) -> str:
    """The path of a library of texts about the moon and other things."""
    for name, text in {
        "tides": "The moon pulls the sea.",
        "orbit": "The moon circles the earth.",
        "cats": "Cats purr when they are content.",
        "rockets": "A rocket reached the moon in 1969.",
    }.items():
        body = {"id": name, "title": name.title(), "text": text, "metadata": {"length": len(text)}}
        assert client.post(f"{texts}/documents", json=body).status_code == 201
    return texts


@pytest.mark.parametrize(
    "body",
    [
        {**VECTOR, "mode": "keyword"},
        {**TEXT, "mode": "words"},
        {**TEXT, **VECTOR, "mode": "keyword"},
        {**TEXT, "mode": "keyword", "like": {"chunks": ["c"]}},
        {**VECTOR, "mode": "hybrid"},
        {**TEXT, **VECTOR, "mode": "hybrid", "like": {"chunks": ["c"]}},
        {**VECTOR, "like": {"chunks": ["c"]}},
        {"text": "a" * 65_537},
        {"text": None},
        {"vector": None, "k": 3},
        {**VECTOR, "fusion": {"kind": "rrf"}},
        {**TEXT, "mode": "keyword", "candidates": 20},
        {**TEXT, "mode": "hybrid", "candidates": 9},
        {**TEXT, "mode": "hybrid", "candidates": 100_001},
        {**TEXT, "mode": "hybrid", "fusion": {}},
        {**TEXT, "mode": "hybrid", "fusion": {"kind": "sum"}},
        {**TEXT, "mode": "hybrid", "fusion": {"kind": "score", "alpha": -0.1}},
        {**TEXT, "mode": "hybrid", "fusion": {"kind": "score", "alpha": 1.1}},
        {**TEXT, "mode": "hybrid", "fusion": {"kind": "score", "alpha": "0.5"}},
        {**TEXT, "mode": "hybrid", "fusion": {"kind": "score", "k": 60}},
        {**TEXT, "mode": "hybrid", "fusion": {"kind": "rrf", "k": 0}},
        {**TEXT, "mode": "hybrid", "fusion": {"kind": "rrf", "weights": [1]}},
        {**TEXT, "mode": "hybrid", "fusion": {"kind": "rrf", "weights": [1, -1]}},
        {**TEXT, "mode": "hybrid", "fusion": {"kind": "rrf", "weights": [0, 0]}},
        {**VECTOR, "diversity": -0.1},
        {**VECTOR, "diversity": 1.1},
        {**VECTOR, "diversity": True},
        {**VECTOR, "min_score": "0"},
        {**VECTOR, "group_by": "chunk"},
        {**VECTOR, "group_by": {"field": "title"}},
        {**VECTOR, "group_by": {"field": "document", "per_group": 0}},
        {**VECTOR, "group_by": {"field": "document", "per_group": 101}},
        {"like": {}},
        {"like": {"not_chunks": ["c"]}},
        {"like": {"chunks": []}},
        {"like": {"chunks": [""]}},
        {"like": {"chunks": ["c"] * 1_001}},
        {**VECTOR, "select": "text"},
        {**VECTOR, "select": [""]},
        {**VECTOR, "select": ["highlights"]},
        {**VECTOR, "vector_format": "hex"},
        {**VECTOR, "rerank": {"provider": "local"}},
        {**TEXT, "rerank": {"provider": "local", "top": 0}},
        {**TEXT, "rerank": {}},
        {**VECTOR, "page": 1},
        {**VECTOR, "cursor": "abc"},
        {"cursor": "abc", "k": 3},
        {"cursor": "a" * 5_000},
        {**VECTOR, "offset": 3},
    ],
)
def test_what_cannot_be_is_refused(client: TestClient, library: str, body: dict[str, Any]) -> None:
    put(client, library, "d", chunk("c", 1, 1))

    problem = assert_problem(client.post(f"{library}/search", json=body), 422, "invalid-request")

    assert problem["errors"][0]["field"].startswith("body")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize(
    "body",
    [
        '{"vector": [1, 1], "min_score": %s}',
        '{"vector": [1, 1], "diversity": %s}',
        '{"text": "a", "mode": "hybrid", "fusion": {"kind": "score", "alpha": %s}}',
        '{"text": "a", "mode": "hybrid", "fusion": {"kind": "rrf", "weights": [1, %s]}}',
        '{"text": "a", "mode": "hybrid", "fusion": {"kind": "rrf", "k": %s}}',
    ],
)
def test_no_number_may_be_infinite_or_none_at_all(client: TestClient, library: str, body: str, number: str) -> None:
    headers = {"content-type": "application/json"}

    answer = client.post(f"{library}/search", content=body % number, headers=headers)

    assert_problem(answer, 422, "invalid-request")


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"k": 400, "group_by": "document"}, "group_by.per_group"),
        ({"text": "a", "mode": "hybrid", "candidates": 10_001}, "candidates"),
        ({"k": 1_001, "diversity": 0.5}, "k"),
    ],
)
def test_what_is_over_a_limit_is_refused(client: TestClient, library: str, asked: dict[str, Any], field: str) -> None:
    problem = assert_problem(client.post(f"{library}/search", json={**VECTOR, **asked}), 422, "invalid-field")

    assert problem["field"] == field


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("txt", "text"),
        ("document.titel", "document.title"),
        ("metadat", "metadata"),
        ("document.text", "document.title"),
        ("document.", "document.id"),
        ("metadata.", "metadata"),
        ("zzzzzzzz", None),
    ],
)
def test_a_field_that_no_hit_has_cannot_be_selected(
    client: TestClient, library: str, name: str, nearest: str | None
) -> None:
    problem = assert_problem(client.post(f"{library}/search", json={**VECTOR, "select": [name]}), 422, "unknown-field")

    assert (problem["field"], problem["nearest"]) == (name, nearest)


def test_a_strict_schema_knows_all_metadata_that_can_be_selected(client: TestClient) -> None:
    schema = {"mode": "strict", "chunks": {"part": {"type": "string"}}}
    strict = new_library(client, metric="l2", dimension=2, metadata_schema=schema)
    put(client, strict, "d", chunk("c", 1, 1, metadata={"part": "intro"}))

    problem = client.post(f"{strict}/search", json={**VECTOR, "select": ["metadata.prat"]})
    found = client.post(f"{strict}/search", json={**VECTOR, "select": ["metadata.part"]}).json()["hits"][0]

    assert assert_problem(problem, 422, "unknown-field")["nearest"] == "metadata.part"
    assert found["metadata"] == {"part": "intro"}


@pytest.mark.parametrize(
    ("like", "slug"),
    [
        ({"chunks": ["gone"]}, "chunk-not-found"),
        ({"chunks": ["a"], "not_chunks": ["gone"]}, "chunk-not-found"),
        ({"documents": ["nowhere"]}, "document-not-found"),
        ({"chunks": ["a"], "not_documents": ["nowhere"]}, "document-not-found"),
    ],
)
def test_examples_that_are_not_stored_are_404(
    client: TestClient, library: str, like: dict[str, Any], slug: str
) -> None:
    put(client, library, "d", chunk("a", 1, 1), chunk("gone", 2, 2))
    client.delete(f"{library}/chunks/gone")

    assert_problem(client.post(f"{library}/search", json={"like": like}), 404, slug)
    queries = {"queries": [{**VECTOR}, {"like": like}]}
    assert assert_problem(client.post(f"{library}/search:batch", json=queries), 404, slug)["query"] == 1


def test_examples_without_a_direction_are_refused(client: TestClient) -> None:
    library = new_library(client, dimension=2)
    put(client, library, "d", chunk("a", 1, 0), chunk("b", -1, 0))
    client.put(f"{library}/documents/empty", json={"chunks": []})

    opposite = client.post(f"{library}/search", json={"like": {"chunks": ["a", "b"]}})
    empty = client.post(f"{library}/search", json={"like": {"documents": ["empty"]}})

    assert_problem(opposite, 422, "zero-vector")
    assert assert_problem(empty, 422, "invalid-field")["field"] == "like.documents"


def test_words_are_found_and_highlighted_where_they_stand(client: TestClient, moons: str) -> None:
    found = client.post(f"{moons}/search", json={"text": "SEA pull*", "mode": "keyword"}).json()

    (hit,) = found["hits"]
    assert (hit["document_id"], hit["distance"], hit["highlights"]) == ("tides", None, [[9, 14], [19, 22]])
    assert (found["exact"], found["expected_recall"], found["complete"]) == (True, 1.0, True)


@pytest.mark.parametrize("text", ["???", "nothingofthekind", '"', "NEAR(", "title:", "*"])
def test_words_that_occur_nowhere_find_nothing(client: TestClient, moons: str, text: str) -> None:
    assert client.post(f"{moons}/search", json={"text": text, "mode": "keyword"}).json()["hits"] == []


def test_a_hybrid_search_tells_what_both_sides_found(client: TestClient, moons: str) -> None:
    ask = {"text": "moon", "mode": "hybrid", "explain": True, "filter": {"field": "length", "op": "lt", "value": 33}}

    found = client.post(f"{moons}/search", json=ask).json()

    hits = {hit["document_id"]: hit for hit in found["hits"]}
    assert hits.keys() == {"tides", "orbit", "cats"}
    assert (hits["cats"]["keyword_score"], hits["cats"]["keyword_rank"], hits["cats"]["vector_rank"]) == (None, None, 3)
    first = found["hits"][0]
    assert first["score"] == pytest.approx(1 / (60 + first["vector_rank"]) + 1 / (60 + first["keyword_rank"]))
    assert found["explain"]["filter"]["selectivity"] == 0.75
    assert found["explain"]["keyword_hits"] == 3
    assert {"filter", "plan", "index", "keyword", "fusion", "rows"} <= found["explain"]["stages"].keys()


def test_explain_tells_whether_the_filter_was_known(client: TestClient, library: str) -> None:
    put(client, library, "d", chunk("a", 1, 1, metadata={"n": 1}), chunk("b", 1, 1, metadata={"n": 2}))
    ask = {**VECTOR, "filter": {"field": "n", "op": "eq", "value": 2}, "explain": True}

    told = [client.post(f"{library}/search", json=ask).json()["explain"] for _ in range(2)]

    assert [one["filter"] for one in told] == [
        {"selectivity": 0.5, "cached": False},
        {"selectivity": 0.5, "cached": True},
    ]
    assert told[0]["selectivity"]["actual"] == 0.5


def test_filters_that_python_would_take_for_one_are_not(client: TestClient, library: str) -> None:
    put(client, library, "d", chunk("i", 1, 1, metadata={"n": 1}), chunk("f", 1, 1, metadata={"x": 1.0}))
    put(client, library, "e", chunk("b", 1, 1, metadata={"yes": True}))
    values = {"n": 1, "x": 1.0, "yes": True}
    queries = [{**VECTOR, "filter": {"field": name, "op": "eq", "value": value}} for name, value in values.items()]

    answers = client.post(f"{library}/search:batch", json={"queries": queries}).json()["answers"]

    assert [[hit["chunk_id"] for hit in answer["hits"]] for answer in answers] == [["i"], ["f"], ["b"]]
    wrong = {**VECTOR, "filter": {"field": "yes", "op": "eq", "value": 1}}
    assert assert_problem(client.post(f"{library}/search", json=wrong), 422, "invalid-filter")["type"]


def test_a_library_without_vectors_has_nothing_to_find_in_any_way(client: TestClient) -> None:
    library = new_library(client, embedding_model=None)

    for ask in ({"mode": "keyword"}, {"mode": "hybrid", **VECTOR}, {"mode": "keyword", "group_by": "document"}):
        found = client.post(f"{library}/search", json={**TEXT, **ask})
        assert found.status_code == 200
        assert (found.json()["hits"], found.json().get("groups", [])) == ([], [])
    grouped = client.post(f"{library}/search", json={**VECTOR, "group_by": "document", "diversity": 1.0})
    assert grouped.json()["groups"] == []


def test_the_first_hits_are_reranked_by_their_texts(client: TestClient, moons: str) -> None:
    ask = {"text": "rocket moon", "k": 3, "filter": {"field": "length", "op": "gt", "value": 0}, "explain": True}

    found = client.post(f"{moons}/search", json={**ask, "rerank": {"provider": "local", "top": 2}}).json()

    relevances = [hit.get("relevance") for hit in found["hits"]]
    assert relevances[0] >= relevances[1]
    assert relevances[2] is None
    assert "rerank" in found["explain"]["stages"]


def test_a_reranker_that_is_not_there_is_refused(client: TestClient, moons: str) -> None:
    ask = {"text": "moon", "rerank": {"provider": "cohere"}}

    assert_problem(client.post(f"{moons}/search", json=ask), 422, "unknown-reranker")

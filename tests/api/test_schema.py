"""The metadata schema over REST: what is declared holds for what is written, and changes without rewriting it."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api.conftest import assert_problem, chunk, new_library, put

ID = "0b3c1a52-98b0-4a57-8d1c-2f0f4c1d9e77"
GOOD: dict[str, Any] = {
    "string": "a",
    "text": "some prose",
    "integer": 7,
    "float": 0.5,
    "boolean": False,
    "datetime": "2026-11-21T09:30:00Z",
    "uuid": ID,
    "geo_point": {"lat": 52.5, "lon": 13.4},
    "list[string]": ["a", "b"],
    "list[integer]": [1, 2],
    "list[float]": [1, 0.5],
    "list[boolean]": [True],
    "list[datetime]": ["2026-11-21T09:30:00+01:00"],
    "list[uuid]": [ID],
}
TAKES_TOO = {
    "string": {"text", "datetime", "uuid"},
    "text": {"string", "datetime", "uuid"},
    "float": {"integer"},
    "list[string]": {"list[datetime]", "list[uuid]"},
    "list[float]": {"list[integer]"},
}
"""The types whose values above are values of another type as well."""
EMPTY = {"mode": "inferred", "documents": {}, "chunks": {}, "version": 1}


def declare(client: TestClient, mode: str = "strict", **levels: dict[str, Any]) -> str:
    return new_library(client, metric="l2", dimension=2, metadata_schema={"mode": mode, **levels})


def patch(client: TestClient, library: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401  # any JSON
    answer = client.patch(f"{library}/schema", json=changes)
    assert answer.status_code == 200, answer.text
    changed: dict[str, Any] = answer.json()
    return changed


def metadata(client: TestClient, library: str, chunk_id: str = "c") -> Any:  # noqa: ANN401  # any JSON
    return client.get(f"{library}/chunks/{chunk_id}").json()["metadata"]


def full(**parts: object) -> dict[str, object]:
    return {"required": False, "default": None, "allowed": None, "min": None, "max": None, **parts}


def test_a_library_infers_unless_told_otherwise(client: TestClient, library: str) -> None:
    assert client.get(f"{library}/schema").json() == EMPTY

    put(client, library, "d", chunk("c", 1, 1, metadata={"year": 2020}), metadata={"tags": ["a"]})

    assert client.get(f"{library}/schema").json() == {
        "mode": "inferred",
        "documents": {"tags": full(type="list[string]")},
        "chunks": {"year": full(type="integer")},
        "version": 3,
    }
    kept = client.get(library).json()
    assert kept["metadata_schema"] == client.get(f"{library}/schema").json()
    assert kept["version"] == 1, "no setting changed"


def test_a_declared_schema_is_shown_as_it_holds(client: TestClient) -> None:
    declared = {"kind": {"type": "string", "allowed": ["a"]}, "n": {"type": "float", "min": 1, "default": 2}}

    library = declare(client, "open", documents=declared)

    assert client.get(f"{library}/schema").json() == {
        "mode": "open",
        "documents": {"kind": full(type="string", allowed=["a"]), "n": full(type="float", min=1.0, default=2)},
        "chunks": {},
        "version": 1,
    }


@pytest.mark.parametrize("kind", GOOD)
def test_every_type_takes_its_values_and_refuses_all_others(client: TestClient, kind: str) -> None:
    library = declare(client, chunks={"field": {"type": kind}})
    put(client, library, "d", chunk("c", 1, 1, metadata={"field": GOOD[kind]}))

    assert metadata(client, library) == {"field": GOOD[kind]}
    wrong = [GOOD[other] for other in GOOD if other != kind and other not in TAKES_TOO.get(kind, set())]
    for value in [*wrong, [[1]], {"a": 1}]:
        answer = client.patch(f"{library}/chunks/c", json={"metadata": {"field": None}})
        assert answer.status_code == 200
        body = {"document_id": "d", "id": "c", "text": "c", "embedding": [1, 1], "metadata": {"field": value}}
        problem = assert_problem(
            client.post(f"{library}/chunks:batch", json={"chunks": [body]}), 422, "invalid-metadata"
        )
        assert (problem["field"], problem["expected"], problem["chunk"]) == ("metadata.field", kind, 0)
        assert problem["chunk_id"] == "c"
    assert metadata(client, library) == {}


def test_a_problem_names_document_chunk_and_field(client: TestClient) -> None:
    library = declare(client, chunks={"n": {"type": "integer"}}, documents={"n": {"type": "string", "required": True}})
    good = {"id": "good", "metadata": {"n": "x"}, "chunks": [chunk("c", 1, 1)]}
    bad = {"id": "bad", "metadata": {"n": "x"}, "chunks": [chunk("e", 1, 1), chunk("f", 1, 1, metadata={"n": "1"})]}
    lacking = {"id": "lacking", "chunks": []}

    answer = client.post(f"{library}/documents:batch", json={"documents": [good, bad]})
    problem = assert_problem(answer, 422, "invalid-metadata")
    assert problem["detail"] == "metadata.n: must be an integer"
    assert (problem["document"], problem["chunk"], problem["chunk_id"]) == (1, 1, "f")

    answer = client.post(f"{library}/documents:batch", json={"documents": [good, lacking]})
    problem = assert_problem(answer, 422, "invalid-metadata")
    assert (problem["document"], problem["document_id"], problem["reason"]) == (1, "lacking", "is required")
    assert client.get(f"{library}/documents").json()["items"] == []


def test_patches_are_checked_as_they_leave_things(client: TestClient) -> None:
    fields = {
        "a": {"type": "integer", "required": True},
        "b": {"type": "string"},
        "c": {"type": "integer", "default": 1},
    }
    library = declare(client, chunks=fields, documents=fields)
    put(client, library, "d", chunk("c", 1, 1, metadata={"a": 1}), metadata={"a": 1})

    for where in (f"{library}/chunks/c", f"{library}/documents/d"):
        for wrong in ({"a": None}, {"b": 1}, {"unknown": 1}):
            problem = assert_problem(client.patch(where, json={"metadata": wrong}), 422, "invalid-metadata")
            assert problem["field"] == f"metadata.{next(iter(wrong))}"
            assert problem["chunk_id" if "chunks" in where else "document_id"] == where.rpartition("/")[2]
        patched = client.patch(where, json={"metadata": {"b": "x", "c": None, "unknown": None}}).json()
        assert patched["metadata"] == {"a": 1, "b": "x", "c": 1}


def test_strict_refuses_inferred_remembers_and_open_keeps(client: TestClient) -> None:
    answers = {}
    for mode in ("strict", "inferred", "open"):
        library = declare(client, mode)
        put(client, library, "d")
        for value in (1, "x"):
            body = {"document_id": "d", "text": "a", "embedding": [1, 1], "metadata": {"new": value}}
            answers[mode, value] = client.post(f"{library}/chunks", json=body).status_code
        assert client.get(f"{library}/schema").json()["chunks"].keys() == ({"new"} if mode == "inferred" else set())

    assert answers == {
        ("strict", 1): 422,
        ("strict", "x"): 422,
        ("inferred", 1): 201,
        ("inferred", "x"): 422,
        ("open", 1): 201,
        ("open", "x"): 201,
    }


def test_a_refused_write_infers_nothing(client: TestClient, library: str) -> None:
    put(client, library, "d")
    batch = [
        {"document_id": "d", "id": "a", "text": "a", "embedding": [1, 1], "metadata": {"n": 1}},
        {"document_id": "d", "id": "b", "text": "b", "embedding": [1, 1], "metadata": {"n": "x"}},
    ]

    refused = client.post(f"{library}/chunks:batch", json={"chunks": batch})

    assert assert_problem(refused, 422, "invalid-metadata")["chunk"] == 1
    assert client.get(f"{library}/schema").json() == EMPTY
    assert client.post(f"{library}/chunks", json=batch[1]).status_code == 201


def test_an_import_leaves_out_the_lines_that_do_not_fit(client: TestClient, library: str) -> None:
    lines = [
        '{"id": "a", "metadata": {"n": 1}}',
        '{"id": "b", "metadata": {"n": "x"}}',
        '{"id": "c", "metadata": {"n": 2}}',
    ]

    report = client.post(
        f"{library}/documents:import?on_error=skip",
        content="\n".join(lines),
        headers={"content-type": "application/x-ndjson"},
    ).json()

    assert (report["accepted"], report["failed"]) == (2, 1)
    assert report["errors"][0]["line"] == 2
    assert report["errors"][0]["type"] == "/problems/invalid-metadata"


def test_defaults_fill_what_is_written_and_leave_what_is_stored(client: TestClient) -> None:
    library = declare(client, "inferred", chunks={"a": {"type": "integer", "default": 1}})
    put(client, library, "d", chunk("c", 1, 1), chunk("e", 1, 1, metadata={"a": 5}))

    changed = patch(
        client, library, chunks={"change": {"a": {"default": 2}}, "add": {"b": {"type": "string", "default": "x"}}}
    )

    assert changed["metadata_schema"]["chunks"]["a"]["default"] == 2
    assert (metadata(client, library, "c"), metadata(client, library, "e")) == ({"a": 1}, {"a": 5})
    put(client, library, "d", chunk("c", 1, 1))
    assert metadata(client, library) == {"a": 2, "b": "x"}


def test_a_renamed_field_keeps_its_values(client: TestClient) -> None:
    library = declare(client, "strict", chunks={"a": {"type": "integer"}, "b": {"type": "string"}})
    put(client, library, "d", chunk("c", 1, 1, metadata={"a": 1, "b": "x"}), chunk("e", 2, 2))

    changed = patch(client, library, chunks={"rename": {"a": "b", "b": "a"}})

    assert changed["metadata_schema"]["chunks"] == {"b": full(type="integer"), "a": full(type="string")}
    assert metadata(client, library) == {"a": "x", "b": 1}
    assert client.patch(f"{library}/chunks/e", json={"metadata": {"a": "y"}}).json()["metadata"] == {"a": "y"}
    hits = client.post(f"{library}/search", json={"vector": [1, 1], "k": 2}).json()["hits"]
    assert [hit["metadata"] for hit in hits] == [{"a": "x", "b": 1}, {"a": "y"}]
    assert client.get(library).json()["version"] == 2


def test_a_dropped_field_is_gone_and_another_may_have_its_name(client: TestClient) -> None:
    library = declare(client, "strict", documents={"a": {"type": "integer"}})
    put(client, library, "d", metadata={"a": 1})

    patch(client, library, documents={"drop": ["a"]})
    assert client.get(f"{library}/documents/d").json()["metadata"] == {}

    patch(client, library, documents={"add": {"a": {"type": "string", "allowed": ["x"]}}})
    assert client.get(f"{library}/documents/d").json()["metadata"] == {}
    put(client, library, "d", metadata={"a": "x"})
    assert client.get(f"{library}/documents/d").json()["metadata"] == {"a": "x"}


def test_a_widened_field_takes_old_and_new_values(client: TestClient) -> None:
    library = declare(client, "strict", chunks={"a": {"type": "integer"}, "u": {"type": "uuid"}})
    put(client, library, "d", chunk("c", 1, 1, metadata={"a": 1, "u": ID}))

    patch(client, library, chunks={"change": {"a": {"type": "list[float]"}, "u": {"type": "string"}}})

    assert metadata(client, library) == {"a": [1], "u": ID}
    put(client, library, "d", chunk("c", 1, 1, metadata={"a": [0.5], "u": "any"}))
    assert metadata(client, library) == {"a": [0.5], "u": "any"}
    refused = client.patch(f"{library}/schema", json={"chunks": {"change": {"u": {"type": "integer"}}}})
    assert assert_problem(refused, 422, "invalid-field")["field"] == "chunks.u.type"


def test_a_dry_run_of_no_change_tells_the_schema_as_it_is(client: TestClient, library: str) -> None:
    tried = patch(client, library, dry_run=True, documents={"add": {}})

    assert tried["metadata_schema"] == patch(client, library)["metadata_schema"] == EMPTY


def test_what_stored_metadata_would_fail_is_refused_and_a_dry_run_says_so(client: TestClient) -> None:
    library = declare(client, "open", documents={"n": {"type": "integer"}})
    for number in range(12):
        extra = {"metadata": {"extra": number}} if number % 2 else {}
        put(client, library, f"d{number:02}", chunk(f"c{number:02}", 1, 1, **extra), metadata={"n": number})
    changes = {"documents": {"change": {"n": {"max": 9}}}, "chunks": {"add": {"extra": {"type": "string"}}}}
    before = client.get(library).json()

    tried = patch(client, library, dry_run=True, **changes)

    assert (tried["dry_run"], tried["documents"], tried["chunks"]) == (True, 2, 6)
    assert tried["metadata_schema"]["documents"]["n"]["max"] == 9
    assert tried["examples"][0] == {
        "level": "document", "id": "d10", "field": "n", "reason": "must be at most 9"
    }  # fmt: skip
    assert len(tried["examples"]) == 8
    refused = assert_problem(client.patch(f"{library}/schema", json=changes), 409, "schema-mismatch")
    assert (refused["documents"], refused["chunks"]) == (2, 6)
    assert (refused["document_id"], refused["field"]) == ("d10", "metadata.n")
    after = client.get(library).json()
    assert after["metadata_schema"] == before["metadata_schema"]
    assert after["version"] == before["version"]


def test_a_dry_run_of_what_fits_changes_nothing(client: TestClient, library: str) -> None:
    put(client, library, "d", chunk("c", 1, 1, metadata={"n": 1}))
    before = client.get(library).json()

    tried = patch(client, library, dry_run=True, mode="strict", chunks={"change": {"n": {"required": True}}})

    assert (tried["documents"], tried["chunks"], tried["examples"]) == (0, 0, [])
    assert tried["metadata_schema"]["mode"] == "strict"
    assert client.get(library).json() == before
    assert patch(client, library) == {**tried, "dry_run": False, "metadata_schema": before["metadata_schema"]}


def test_open_values_become_a_field_when_they_all_fit(client: TestClient) -> None:
    library = declare(client, "open")
    put(client, library, "d", chunk("c", 1, 1, metadata={"n": 1}))
    put(client, library, "e", chunk("f", 1, 1, metadata={"m": {"deep": 1}}))

    refused = client.patch(f"{library}/schema", json={"mode": "strict", "chunks": {"add": {"n": {"type": "integer"}}}})
    assert assert_problem(refused, 409, "schema-mismatch")["chunk_id"] == "f"
    client.delete(f"{library}/documents/e")
    patch(client, library, mode="strict", chunks={"add": {"n": {"type": "integer", "required": True}}})

    assert metadata(client, library) == {"n": 1}


@pytest.mark.parametrize(
    ("declared", "field"),
    [
        ({"documents": {"a": {"type": "number"}}}, "metadata_schema.documents.a.type"),
        ({"chunks": {"a": {"type": "list[text]"}}}, "metadata_schema.chunks.a.type"),
        ({"chunks": {"a": {"type": "string", "default": 1}}}, "metadata_schema.chunks.a.default"),
        ({"chunks": {"a": {"type": "integer", "min": 2, "max": 1}}}, "metadata_schema.chunks.a.min"),
        ({"chunks": {"a\n": {"type": "integer"}}}, "metadata_schema.chunks.a\n"),
    ],
)
def test_a_schema_that_makes_no_sense_is_refused(client: TestClient, declared: dict[str, Any], field: str) -> None:
    answer = client.post("/v1/libraries", json={"name": "never", "metadata_schema": declared})

    assert assert_problem(answer, 422, "invalid-field")["field"] == field


@pytest.mark.parametrize(
    "declared",
    [
        {"mode": "loose"},
        {"version": 1},
        {"documents": []},
        {"documents": {"a": {}}},
        {"documents": {"a": {"type": "string", "required": "yes"}}},
        {"documents": {"a": {"type": "string", "allowed": []}}},
        {"documents": {"a": {"type": "string", "key": "b"}}},
        {"documents": {"": {"type": "string"}}},
        {"documents": {"a" * 129: {"type": "string"}}},
    ],
)
def test_a_schema_of_the_wrong_shape_is_refused(client: TestClient, declared: dict[str, Any]) -> None:
    answer = client.post("/v1/libraries", json={"name": "never", "metadata_schema": declared})

    assert_problem(answer, 422, "invalid-request")


def test_settings_are_replaced_around_the_schema(client: TestClient) -> None:
    declared = {"mode": "strict", "chunks": {"a": {"type": "integer"}}}
    library = new_library(client, metric="l2", dimension=2, metadata_schema=declared)
    name = client.get(library).json()["name"]

    same = client.put(library, json={"name": name, "metric": "l2", "dimension": 2, "metadata_schema": declared})
    left_out = client.put(library, json={"name": name})
    other = client.put(library, json={"name": name, "metadata_schema": {"mode": "open"}})

    assert (same.status_code, left_out.status_code) == (200, 200)
    assert left_out.json()["metadata_schema"]["mode"] == "strict"
    assert assert_problem(other, 422, "invalid-field")["field"] == "metadata_schema"


def test_the_schema_of_no_library_is_not_found(client: TestClient) -> None:
    assert_problem(client.get("/v1/libraries/none/schema"), 404, "library-not-found")
    assert_problem(client.patch("/v1/libraries/none/schema", json={"mode": "open"}), 404, "library-not-found")

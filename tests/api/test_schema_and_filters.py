"""Filters see stored values under the schema as it is now, whatever it was when they were written."""

from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from tests.api.conftest import assert_problem, chunk, new_library, put, serving


def library_of(client: TestClient, mode: str, **fields: str) -> str:
    declared = {"mode": mode, "chunks": {name: {"type": kind} for name, kind in fields.items()}}
    return new_library(client, metric="l2", dimension=2, metadata_schema=declared)


def change(client: TestClient, library: str, **chunks: Any) -> None:  # noqa: ANN401  # any JSON
    answer = client.patch(f"{library}/schema", json={"chunks": chunks})
    assert answer.status_code == 200, answer.text


def found(client: TestClient, library: str, field: str, op: str, value: Any) -> list[str]:  # noqa: ANN401  # any JSON
    asked = {"vector": [1, 1], "k": 10, "filter": {"field": field, "op": op, "value": value}}
    answer = client.post(f"{library}/search", json=asked)
    assert answer.status_code == 200, answer.text
    return sorted(hit["chunk_id"] for hit in answer.json()["hits"])


def test_a_renamed_field_is_filtered_by_its_new_name(client: TestClient) -> None:
    library = library_of(client, "open", a="integer")
    put(client, library, "d", chunk("c", 1, 1, metadata={"a": 1}), chunk("e", 1, 1, metadata={"a": 2}))
    assert found(client, library, "a", "eq", 1) == ["c"]

    change(client, library, rename={"a": "b"})
    put(client, library, "f", chunk("g", 1, 1, metadata={"b": 1, "a": "no field any more"}))

    assert found(client, library, "b", "eq", 1) == ["c", "g"]
    asked = {"vector": [1, 1], "filter": {"field": "a", "op": "eq", "value": 1}}
    assert client.post(f"{library}/search", json=asked).status_code == 422


def test_a_widened_field_is_filtered_as_what_it_became(client: TestClient) -> None:
    library = library_of(client, "strict", a="integer", at="datetime")
    put(client, library, "d", chunk("c", 1, 1, metadata={"a": 1, "at": "2026-01-01T00:00:00Z"}))
    assert found(client, library, "at", "gte", "2026-01-01T01:00:00+01:00") == ["c"]

    change(client, library, change={"a": {"type": "list[float]"}, "at": {"type": "string"}})
    put(client, library, "e", chunk("f", 1, 1, metadata={"a": [7.5, 1]}))

    assert found(client, library, "a", "any_of", [1]) == ["c", "f"]
    assert found(client, library, "a", "len", 1) == ["c"]
    assert found(client, library, "at", "starts_with", "2026-01-01T00") == ["c"]


def test_a_field_of_a_dropped_name_begins_empty(client: TestClient) -> None:
    library = library_of(client, "strict", s="string")
    put(client, library, "d", chunk("c", 1, 1, metadata={"s": "x"}))
    assert found(client, library, "s", "eq", "x") == ["c"]

    change(client, library, drop=["s"], add={"s": {"type": "string"}})
    put(client, library, "e", chunk("f", 1, 1, metadata={"s": "x"}))

    assert found(client, library, "s", "eq", "x") == ["f"]
    assert found(client, library, "s", "is_null", True) == ["c"]


def test_a_field_added_over_values_finds_them(client: TestClient) -> None:
    library = library_of(client, "open", other="string")
    put(client, library, "d", chunk("c", 1, 1, metadata={"n": 5}), chunk("e", 1, 1, metadata={"n": "x"}))
    assert found(client, library, "other", "is_null", True) == ["c", "e"]
    refused = client.patch(f"{library}/schema", json={"chunks": {"add": {"n": {"type": "integer"}}}})
    assert assert_problem(refused, 409, "schema-mismatch")["chunk_id"] == "e"

    client.delete(f"{library}/chunks/e")
    change(client, library, add={"n": {"type": "integer"}})

    assert found(client, library, "n", "gte", 5) == ["c"]


def test_inference_finds_what_fits_of_what_fixed_nothing(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as client:
        library = library_of(client, "inferred")
        put(client, library, "a", chunk("empty", 1, 1, metadata={"t": []}), chunk("object", 1, 1, metadata={"t": {}}))
        put(client, library, "b", chunk("words", 1, 1, metadata={"t": ["q"], "n": 1}))
        before = [found(client, library, "t", "exists", True), found(client, library, "n", "ne", 1)]
        schema = client.get(f"{library}/schema").json()

    with serving(tmp_path / "data") as client:
        after = [found(client, library, "t", "exists", True), found(client, library, "n", "ne", 1)]
        assert client.get(f"{library}/schema").json() == schema

    assert before == after == [["empty", "words"], ["empty", "object"]]

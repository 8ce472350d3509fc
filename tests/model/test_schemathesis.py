"""The API keeps to its own OpenAPI description, whatever is sent: no server error, no status or shape left unsaid."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias
from zlib import crc32

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.openapi import from_asgi
from schemathesis.python.asgi import shutdown_lifespans
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from pergamum.api.positions import MIN_POSITION
from pergamum.app import build
from pergamum.settings import Settings
from tests.support.model import Json, Record
from tests.support.rest import Rest

CHECKS: Sequence[CheckFunction] = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
Operation: TypeAlias = schemathesis.APIOperation[Json, Json, Json, Json]
Case: TypeAlias = schemathesis.Case[Operation]
SPARE = 8
EXAMPLES = 20
GOOD_LINES = ['{"id": "document 1", "chunks": [{"text": "a"}]}', '{"document_id": "document 1", "text": "a"}']

TAGS = ["libraries", "schema", "documents", "chunks", "import", "search", "index", "operations", "system"]
bounded = settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))


@schemathesis.serializer("application/x-ndjson")
def _as_it_is(context: schemathesis.SerializationContext, body: Json) -> bytes:
    return body.encode("utf-8", "surrogatepass") if isinstance(body, str) else repr(body).encode()


@pytest.fixture
def described(tmp_path: Path) -> Iterator[schemathesis.BaseSchema]:
    """The API over a folder with something in it; most ids in requests are those of things that exist."""
    existing = _prepare(tmp_path / "data")
    schema = from_asgi("/openapi.json", build(Settings(data_dir=tmp_path / "data", log_level="error")))

    @schema.hook
    def map_path_parameters(context: schemathesis.HookContext, path_parameters: Record | None) -> Record | None:
        if not path_parameters:
            return path_parameters
        known = existing
        if context.operation is not None and context.operation.label == "DELETE /v1/libraries/{library}":
            known = {"library": existing["spare library"]}
        return {name: _often(known.get(name, ()), value) for name, value in path_parameters.items()}

    @schema.hook
    def map_headers(context: schemathesis.HookContext, headers: Record | None) -> Record | None:
        """Ask for positions that were reached: any other is rightly answered 504."""
        asked = {name: str(value) for name, value in (headers or {}).items() if name == MIN_POSITION}
        return headers and headers | {name: "0" for name, value in asked.items() if re.search(r"[0-9]", value)}

    @schema.hook
    def map_body(context: schemathesis.HookContext, body: Json) -> Json:
        if isinstance(body, str):
            return "\n".join(_often(GOOD_LINES, line) for line in body.split("\n"))
        if context.operation is not None and "/search" in context.operation.path:
            return _answerable(body)
        return _within_reach(existing["document"], body)

    yield schema
    shutdown_lifespans()


@pytest.mark.parametrize("tag", TAGS)
def test_every_answer_is_as_described(described: schemathesis.BaseSchema, tag: str) -> None:
    for operation in _operations(described.include(tag=tag)):
        takes_something = bool(operation.body) or any(True for _ in operation.iter_parameters())
        for mode in schemathesis.GenerationMode if takes_something else [schemathesis.GenerationMode.POSITIVE]:
            _assert_as_described(operation.as_strategy(mode))


def test_every_operation_has_one_of_the_tags(described: schemathesis.BaseSchema) -> None:
    tags = {tag for operation in _operations(described) for tag in operation.tags or ["none"]}

    assert tags == set(TAGS)


def _operations(schema: schemathesis.BaseSchema) -> list[Operation]:
    """Return what the description offers; it can be read to its end."""
    found = list(schema.get_all_operations())
    operations = [each.ok() for each in found if isinstance(each, Ok)]
    assert operations
    assert len(operations) == len(found)
    return operations


def _assert_as_described(cases: SearchStrategy[Case]) -> None:
    @bounded
    @given(case=cases)
    def answer(case: Case) -> None:
        case.call_and_validate(checks=list(CHECKS))

    answer()


def _prepare(data_dir: Path) -> dict[str, list[str]]:
    """Store libraries (one that embeds, one of vectors of one number) with the same documents; return all ids."""
    ids = {"document": [f"document {n}" for n in range(SPARE)], "chunk": [f"chunk {n}" for n in range(SPARE)]}
    with Rest(data_dir) as rest:
        texts = _made(rest, {"name": "texts"})
        numbers = _made(rest, {"name": "numbers", "dimension": 1, "metric": "l2"})
        ids["library"] = [texts, numbers]
        ids["spare library"] = [_made(rest, {"name": f"spare {n}"}) for n in range(SPARE)]
        for library, fields in ((texts, {}), (numbers, {"embedding": [1]})):
            pairs = zip(ids["document"], ids["chunk"], strict=True)
            documents = [
                {"id": document, "chunks": [{"id": chunk, "text": "a", **fields}]} for document, chunk in pairs
            ]
            rest.send("POST", "libraries", library, "documents", verb="batch", json={"documents": documents})
        ids["operation"] = [_made(rest, {"kind": "brute_force"}, "libraries", texts, "index")]
    return ids


def _made(rest: Rest, body: Record, *segments: str) -> str:
    response = rest.send("POST", *(segments or ("libraries",)), json=body)
    assert response.is_success, response.text
    made: str = response.json()["id"]
    return made


def _often(known: Sequence[Json], value: Json) -> Json:
    """Return one of what is known instead of the value, three times out of four; the same for the same value."""
    number = crc32(repr(value).encode("utf-8", "surrogatepass"))
    return known[number // 4 % len(known)] if known and number % 4 else value


def _within_reach(documents: Sequence[str], body: Json) -> Json:
    """Return the body with most ids of documents and vectors as such that there is something to do."""
    if isinstance(body, list):
        return [_within_reach(documents, item) for item in body]
    if not isinstance(body, dict):
        return body
    reachable: dict[str, Sequence[Json]] = {"document_id": documents, "embedding": [None, [1]]}
    known = {name: _often(reachable.get(name, ()), value) for name, value in body.items()}
    return {name: _within_reach(documents, value) for name, value in known.items()}


def _answerable(body: Json) -> Json:
    """Return a search, or many, most of them with one of the two that the description cannot say are needed."""
    if not isinstance(body, dict):
        return body
    if isinstance(body.get("queries"), list):
        return {**body, "queries": [_answerable(query) for query in body["queries"]]}
    asked: list[Json] = [{"text": "a", "vector": None, "k": 3}, {"vector": [1], "text": None, "k": 9}]
    return {**body, **_often(asked, body)}

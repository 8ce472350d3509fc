import inspect
import json
from typing import Any

import pytest

from pergamum import errors
from pergamum.api.problems import problem, status_of, title_of, type_of
from pergamum.errors import PergamumError

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, PergamumError)]
STATUS = {
    "DimensionMismatch": 422,
    "DuplicateId": 422,
    "EmbeddingRequired": 422,
    "InvalidCursor": 422,
    "InvalidField": 422,
    "InvalidMetadata": 422,
    "InvalidFilter": 422,
    "NotFinite": 422,
    "UnknownField": 422,
    "UnknownModel": 422,
    "UnknownReranker": 422,
    "ZeroVector": 422,
    "ChunkNotFound": 404,
    "DocumentNotFound": 404,
    "LibraryNotFound": 404,
    "OperationNotFound": 404,
    "CursorExpired": 410,
    "ChunkExists": 409,
    "ChunkOwnedElsewhere": 409,
    "DocumentExists": 409,
    "LibraryExists": 409,
    "SchemaMismatch": 409,
    "TooLarge": 413,
    "UnsupportedMediaType": 415,
    "EmbeddingFailed": 502,
    "RerankFailed": 502,
    "LibraryReadOnly": 503,
    "OutcomeUnknown": 503,
    "Overloaded": 503,
    "ShuttingDown": 503,
    "StorageFull": 507,
    "Damaged": 500,
    "NewerFormat": 500,
}


@pytest.mark.parametrize(("name", "status"), STATUS.items())
def test_each_error_has_its_status(name: str, status: int) -> None:
    assert status_of(getattr(errors, name)) == status


def test_no_two_errors_share_a_type_and_each_has_a_title() -> None:
    assert len({type_of(kind) for kind in KINDS}) == len(KINDS)
    assert all(title_of(kind).endswith(".") for kind in KINDS)


def test_a_problem_carries_the_facts_and_where_it_happened() -> None:
    error = errors.DimensionMismatch(expected=3, received=2).located(document=7, chunk=0, chunk_id="c")

    answer = problem(error, {"type": "http", "raw_path": b"/v1/libraries/a%2Fb"})

    body: dict[str, Any] = json.loads(bytes(answer.body))
    assert body == {
        "type": "/problems/dimension-mismatch",
        "title": "The vector is not as long as the library's dimension.",
        "status": 422,
        "detail": "expected a vector of 3 numbers, received 2",
        "instance": "/v1/libraries/a%2Fb",
        "expected": 3,
        "received": 2,
        "document": 7,
        "chunk": 0,
        "chunk_id": "c",
    }


def test_a_client_is_told_to_come_back_or_to_go() -> None:
    scope = {"type": "http", "raw_path": b"/"}

    assert problem(errors.Overloaded("writes", 3), scope).headers["retry-after"] == "1"
    assert problem(errors.ShuttingDown(), scope).headers["connection"] == "close"

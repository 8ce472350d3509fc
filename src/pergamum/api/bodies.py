"""Bodies: read within a limit, of the right type, then parsed by Pydantic straight from the bytes.

The bytes are read in the event loop and parsed in the route's own thread, so that a large body holds nobody up.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Final, TypeAlias, TypeVar

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, from_json

from pergamum.api.limits import Limits
from pergamum.domain.json import Json
from pergamum.errors import TooLarge, UnsupportedMediaType

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
KEPT_WHOLE: Final = "an import that is kept whole or not at all (on_error=skip has no limit)"
BATCH_LINES: Final = 1_000
BATCH_BYTES: Final = 4 << 20
NDJSON: Final = ("application/x-ndjson", "application/ndjson", "application/jsonl")

Model = TypeVar("Model", bound=BaseModel)


def parsed(model: type[Model], raw: bytes) -> Model:
    """Return the body as a model. Raises `RequestValidationError`."""
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise RequestValidationError(faults(error, raw)) from None


def faults(error: ValidationError, raw: bytes) -> list[dict[str, object]]:
    """Return what is wrong with the body `raw`, each with its path from `body` on."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    body: Json = None if found[0]["type"] == "json_invalid" else from_json(raw)
    return [{"type": fault["type"], "loc": ("body", *_path(fault, body)), "msg": fault["msg"]} for fault in found]


def _path(fault: ErrorDetails, value: Json) -> Iterator[int | str]:
    """Yield what leads to the value at fault. Pydantic puts names of a union's members between; no body has these."""
    for part in fault["loc"]:
        if isinstance(value, dict) and isinstance(part, str) and part in value:
            yield part
            value = value[part]
        if isinstance(value, list) and isinstance(part, int):
            yield part
            value = value[part]
    if fault["type"] == "missing":
        yield fault["loc"][-1]


async def read_json(request: Request) -> bytes:
    """Return the body. Raises `UnsupportedMediaType`, `TooLarge`."""
    _require(request, JSON, MERGE_PATCH) if request.method == "PATCH" else _require(request, JSON)
    limits: Limits = request.app.state.limits
    limit = limits.max_body_bytes
    _refuse_announced(request, limit)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise TooLarge("the body", limit)
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


JsonBody: TypeAlias = Annotated[bytes, Depends(read_json)]


async def batches_of_lines(request: Request, limit: int | None) -> AsyncIterator[list[bytes]]:
    """Yield the body's lines, some BATCH_LINES or BATCH_BYTES at a time, without their ends.

    Raises `UnsupportedMediaType`; `TooLarge` beyond `limit` bytes in all, or for a line over the limit of a body.
    """
    _require(request, *NDJSON)
    limits: Limits = request.app.state.limits
    if limit is not None:
        _refuse_announced(request, limit, KEPT_WHOLE)
    lines: list[bytes] = []
    rest, total, waiting = bytearray(), 0, 0
    async for part in request.stream():
        total, waiting = total + len(part), waiting + len(part)
        if limit is not None and total > limit:
            raise TooLarge(KEPT_WHOLE, limit)
        rest += part
        if b"\n" in part:
            *whole, rest = rest.split(b"\n")
            lines += map(bytes, whole)
        if len(rest) > limits.max_body_bytes:
            raise TooLarge("a line", limits.max_body_bytes)
        if len(lines) >= BATCH_LINES or waiting >= BATCH_BYTES:
            yield lines
            lines, waiting = [], 0
    yield [*lines, bytes(rest)]


def _require(request: Request, *accepted: str) -> None:
    received = request.headers.get("content-type", "")
    if received.partition(";")[0].strip().lower() not in accepted:
        raise UnsupportedMediaType(received, " or ".join(accepted))


def _refuse_announced(request: Request, limit: int, what: str = "the body") -> None:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise TooLarge(what, limit)

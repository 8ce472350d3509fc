"""The one table from errors to RFC 9457 problem+json."""

import json
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from itertools import islice
from typing import Final, TypeAlias

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Scope

from pergamum import errors
from pergamum.domain.json import Json
from pergamum.errors import PergamumError

STATUS_OF: Final[Mapping[type[PergamumError], int]] = {
    PergamumError: 500,
    errors.Invalid: 422,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.PreconditionFailed: 412,
    errors.CursorExpired: 410,
    errors.TooLarge: 413,
    errors.UnsupportedMediaType: 415,
    errors.Unavailable: 503,
    errors.PositionNotReached: 504,
    errors.StorageFull: 507,
    errors.ProviderFailed: 502,
    errors.Damaged: 500,
    errors.CannotStart: 503,
}
MEDIA_TYPE: Final = "application/problem+json"
MAX_ERRORS: Final = 50
RETRY_SECONDS: Final = "1"

Fault: TypeAlias = Mapping[str, object]
"""One finding of Pydantic: `loc`, `msg` and `type`."""

log = structlog.get_logger(__name__)


def status_of(kind: type[PergamumError]) -> int:
    """Return the status that answers this kind of error."""
    return next(STATUS_OF[base] for base in kind.__mro__ if base in STATUS_OF)


def type_of(kind: type[PergamumError]) -> str:
    """Return the stable type of this kind of error, such as `/problems/dimension-mismatch`."""
    return "/problems/" + re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower()


def title_of(kind: type[PergamumError]) -> str:
    """Return the first line of what the kind of error says about itself."""
    return (kind.__doc__ or kind.__name__).partition("\n")[0]


def problem(error: PergamumError, scope: Scope) -> Response:
    """Return the answer to an error: its facts are fields beside those of RFC 9457."""
    kind = type(error)
    body = {**error.facts, "type": type_of(kind), "title": title_of(kind), "detail": str(error)}
    headers = {}
    if isinstance(error, errors.Unavailable):
        headers["Retry-After"] = RETRY_SECONDS
    if isinstance(error, errors.ShuttingDown):
        headers["Connection"] = "close"
    return _response(body, status_of(kind), scope, headers)


def internal_problem(scope: Scope) -> Response:
    """Return the answer to an error nobody foresaw: it tells nothing of the inside."""
    detail = "something went wrong inside the server; its log says more under this request's id"
    body = {"type": "/problems/internal", "title": "The server failed.", "detail": detail}
    return _response(body, 500, scope)


def invalid_request(faults: Iterable[Fault], scope: Scope) -> Response:
    """Return the answer to a request that breaks rules of shape: each value at fault with its path."""
    listed = [(field_of(fault), str(fault["msg"])) for fault in islice(faults, MAX_ERRORS)]
    body: dict[str, Json] = {
        "type": "/problems/invalid-request",
        "title": "The request breaks a rule.",
        "detail": ": ".join(listed[0]),
        "errors": [{"field": field, "reason": reason} for field, reason in listed],
    }
    return _response(body, 422, scope)


def field_of(fault: Fault) -> str:
    """Return the path of the value at fault, such as `body.chunks.3.text`."""
    where = fault["loc"]
    assert isinstance(where, tuple)
    return ".".join(str(part) for part in where)


def install(app: FastAPI) -> None:
    """Let every error of the app be answered as a problem."""
    app.add_exception_handler(PergamumError, _known)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)


def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, PergamumError)
    if status_of(type(error)) >= 500:
        log.warning("request failed", problem=type_of(type(error)), detail=str(error))
    return problem(error, request.scope)


def _unreadable(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = error.errors()
    if faults[0]["type"] != "json_invalid":
        return invalid_request(faults, request.scope)
    body = {"type": "/problems/malformed-json", "title": "The body is not JSON.", "detail": faults[0]["msg"]}
    return _response(body, 400, request.scope)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    title = HTTPStatus(error.status_code).phrase
    slug = title.lower().replace(" ", "-")
    body = {"type": f"/problems/{slug}", "title": title, "detail": str(error.detail)}
    return _response(body, error.status_code, request.scope, error.headers)


def _gone(_request: Request, _error: Exception) -> Response:
    """Return something for a client that is no longer there."""
    return Response(status_code=400)


def _response(
    body: Mapping[str, Json], status: int, scope: Scope, headers: Mapping[str, str] | None = None
) -> Response:
    instance = scope.get("raw_path", b"").decode("latin-1")
    content = json.dumps({**body, "status": status, "instance": instance})
    return Response(content, status, headers, MEDIA_TYPE)

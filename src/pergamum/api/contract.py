"""What the OpenAPI description says of each route. Bodies are parsed by `bodies.py`, so it is told here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from starlette.responses import Response

from pergamum import errors
from pergamum.api.bodies import JSON, MERGE_PATCH, NDJSON
from pergamum.api.positions import MIN_POSITION, MIN_POSITION_PATTERN
from pergamum.api.problems import MEDIA_TYPE, status_of, title_of
from pergamum.api.writes import IDEMPOTENCY_KEY, IF_MATCH, IF_MATCH_PATTERN, KEY_PATTERN, REPLAYED
from pergamum.errors import PergamumError
from pergamum.wire import chunks, documents, index, libraries, operations, problems, schema, search, selection, system

REF: Final = "#/components/schemas/{model}"
REQUESTS: Final[tuple[type[BaseModel], ...]] = (
    libraries.LibraryIn,
    libraries.LibraryPatch,
    schema.SchemaPatch,
    index.IndexIn,
    documents.DocumentIn,
    documents.DocumentPatch,
    documents.DocumentBatchIn,
    chunks.ChunkIn,
    chunks.ChunkPatch,
    chunks.ChunkBatchIn,
    selection.CountIn,
    selection.DocumentQueryIn,
    selection.ChunkQueryIn,
    selection.FacetsIn,
    selection.DeleteWhereIn,
    selection.DocumentUpdateIn,
    selection.ChunkUpdateIn,
    search.SearchIn,
    search.SearchBatchIn,
)
ANSWERS: Final[tuple[type[BaseModel], ...]] = (
    libraries.LibraryOut,
    libraries.LibraryList,
    schema.SchemaOut,
    schema.SchemaChangeOut,
    documents.DocumentOut,
    documents.DocumentList,
    documents.DocumentBatchOut,
    chunks.ChunkOut,
    chunks.ChunkList,
    chunks.ChunkBatchOut,
    selection.CountOut,
    selection.FacetsOut,
    selection.DeleteWhereOut,
    selection.UpdateWhereOut,
    search.SearchOut,
    search.SearchBatchOut,
    index.IndexOut,
    index.PreflightOut,
    operations.OperationOut,
    problems.ImportOut,
    problems.Problem,
    system.AliveOut,
    system.ReadyOut,
)
POSITION_HEADERS: Final = {
    "Pergamum-Position": {"description": "The position of the write.", "schema": {"type": "integer", "minimum": 0}},
    "Pergamum-Token": {
        "description": "The library and the position: what a read gives as Pergamum-Min-Position to see the write.",
        "schema": {"type": "string"},
    },
}
REPLAYED_HEADER: Final = {
    REPLAYED: {"description": "`true` where the same request was carried out before.", "schema": {"type": "string"}}
}
ETAG_HEADER: Final = {"ETag": {"description": "Changes with every version.", "schema": {"type": "string"}}}
ANY_BODY: Final = (errors.TooLarge, errors.UnsupportedMediaType, errors.Invalid)
ANY_WRITE: Final = (errors.Unavailable, errors.StorageFull)
ON_LIBRARY: Final = "{library}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """Which headers a route takes and answers.

    `writes`: it answers a position and, if it is `keyed`, takes an idempotency key. `etag`: it answers one.
    `if_match`: it takes one. `seen`: it may answer that nothing has changed.
    """

    writes: bool = False
    keyed: bool = True
    etag: bool = False
    if_match: bool = False
    seen: bool = False

    def taken(self) -> list[dict[str, Any]]:
        """Return the parameters of the request that are headers."""
        key = [KEY_PARAMETER] if self.writes and self.keyed else []
        return key + ([IF_MATCH_PARAMETER] if self.if_match else [])

    def answered(self, *, written: bool) -> dict[str, Any]:
        """Return the headers of a success; `written`: of one that has written something."""
        replayed = REPLAYED_HEADER if self.keyed else {}
        return (POSITION_HEADERS | replayed if written else {}) | (ETAG_HEADER if self.etag else {})


def answers(
    *models: type[BaseModel] | None,
    status: int = 200,
    also: int | None = None,
    takes: type[BaseModel] | str | None = None,
    refuses: Iterable[type[PergamumError]] = (),
    **headers: bool,
) -> dict[str, Any]:
    """Return the arguments of a route that describe it.

    `models` is what a success holds, nothing for no content; `also` is a second status of success, which holds the
    last of `models`; `takes` is the model of the body, or NDJSON's media type; `refuses` are errors it is known for;
    `headers` are those of `Headers`.
    """
    told = Headers(**headers)
    kinds = [*refuses, *(ANY_BODY if takes is not None else ()), *(ANY_WRITE if told.writes else ())]
    if told.if_match:
        kinds.append(errors.PreconditionFailed)
    responses: dict[int | str, dict[str, Any]] = {"default": _problem("Any other error")}
    if told.seen:
        responses[304] = {"description": "It is what If-None-Match speaks of.", "headers": ETAG_HEADER}
    if also is not None:
        responses[also] = _success(models[-1] if models else None, told, written=told.writes and len(models) < 2)
    responses[status] = _success(models[0] if models else None, told, written=told.writes)
    responses |= {status_of(kind): _problem(title_of(kind)) for kind in kinds}
    responses[422] = _problem(title_of(errors.Invalid))
    extra: dict[str, Any] = {"parameters": told.taken()}
    if takes is not None:
        responses[400] = _problem("The body is not JSON.")
        extra["requestBody"] = {"required": True, "content": _content(takes)}
    return {
        "status_code": status,
        "response_class": Response,
        "response_model": None,
        "responses": responses,
        "openapi_extra": extra,
    }


def describe(app: FastAPI) -> None:
    """Let /openapi.json tell the shapes of bodies and answers too."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            described = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
            described.setdefault("components", {}).setdefault("schemas", {}).update(_schemas())
            _tell_of_positions(described["paths"])
            app.openapi_schema = described
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI documents


def _tell_of_positions(paths: Mapping[str, Mapping[str, Any]]) -> None:
    """Say of every request on a library that it may ask for a position: that is answered before any route."""
    for path, methods in paths.items():
        if ON_LIBRARY in path:
            for operation in methods.values():
                operation.setdefault("parameters", []).append(MIN_POSITION_PARAMETER)
                operation["responses"]["504"] = _problem(title_of(errors.PositionNotReached))


def _header(name: str, pattern: str, description: str) -> dict[str, Any]:
    schema = {"type": "string", "pattern": pattern}
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


def _schemas() -> Mapping[str, Any]:
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "validation") for model in REQUESTS]
    wanted += [(model, "serialization") for model in ANSWERS]
    _, schemas = models_json_schema(wanted, ref_template=REF)
    found: Mapping[str, Any] = schemas["$defs"]
    return found


def _content(takes: type[BaseModel] | str) -> dict[str, Any]:
    if isinstance(takes, str):
        return {takes: {"schema": {"type": "string", "description": "One JSON object a line."}}}
    schema = {"schema": {"$ref": REF.format(model=takes.__name__)}}
    return {JSON: schema, MERGE_PATCH: schema} if takes.__name__.endswith("Patch") else {JSON: schema}


def _success(model: type[BaseModel] | None, told: Headers, *, written: bool) -> dict[str, Any]:
    response: dict[str, Any] = {"description": "Done" if written else "Found"}
    if model is not None:
        response["content"] = {JSON: {"schema": {"$ref": REF.format(model=model.__name__)}}}
    headers = told.answered(written=written)
    return {**response, "headers": headers} if headers else response


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {MEDIA_TYPE: {"schema": {"$ref": REF.format(model="Problem")}}}}


LINES: Final = NDJSON[0]
KEY_PARAMETER: Final = _header(
    IDEMPOTENCY_KEY, KEY_PATTERN, "Requests with one key are carried out once, and answered alike, for 24 hours."
)
IF_MATCH_PARAMETER: Final = _header(IF_MATCH, IF_MATCH_PATTERN, "Change only what has one of these etags, or exists.")
MIN_POSITION_PARAMETER: Final = _header(
    MIN_POSITION, MIN_POSITION_PATTERN, "Answer at this position or later: one, or tokens of writes."
)

"""What the OpenAPI description says of each route. Bodies are parsed by `bodies.py`, so it is told here."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from starlette.responses import Response

from pergamum import errors
from pergamum.api.bodies import JSON, MERGE_PATCH, NDJSON
from pergamum.api.problems import MEDIA_TYPE, status_of, title_of
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
POSITION_HEADER: Final = {
    "Pergamum-Position": {"description": "The position of the write.", "schema": {"type": "integer", "minimum": 0}}
}
ANY_BODY: Final = (errors.TooLarge, errors.UnsupportedMediaType, errors.Invalid)
ANY_WRITE: Final = (errors.Unavailable, errors.StorageFull)


def answers(
    *models: type[BaseModel] | None,
    status: int = 200,
    also: int | None = None,
    takes: type[BaseModel] | str | None = None,
    refuses: Iterable[type[PergamumError]] = (),
    writes: bool = False,
) -> dict[str, Any]:
    """Return the arguments of a route that describe it.

    `models` is what a success holds, nothing for no content; `also` is a second status of success, which holds the
    last of `models`; `takes` is the
    model of the body, or NDJSON's media type; `refuses` are errors it is known for; `writes`: a position is answered.
    """
    kinds = [*refuses, *(ANY_BODY if takes is not None else ()), *(ANY_WRITE if writes else ())]
    responses: dict[int | str, dict[str, Any]] = {"default": _problem("Any other error")}
    if also is not None:
        responses[also] = _success(models[-1] if models else None, writes and len(models) < 2)
    responses[status] = _success(models[0] if models else None, writes)
    responses |= {status_of(kind): _problem(title_of(kind)) for kind in kinds}
    responses[422] = _problem(title_of(errors.Invalid))
    if takes is not None:
        responses[400] = _problem("The body is not JSON.")
    extra = {} if takes is None else {"requestBody": {"required": True, "content": _content(takes)}}
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
            app.openapi_schema = described
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI documents


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


def _success(model: type[BaseModel] | None, writes: bool) -> dict[str, Any]:
    response: dict[str, Any] = {"description": "Done" if writes else "Found"}
    if model is not None:
        response["content"] = {JSON: {"schema": {"$ref": REF.format(model=model.__name__)}}}
    if writes:
        response["headers"] = POSITION_HEADER
    return response


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {MEDIA_TYPE: {"schema": {"$ref": REF.format(model="Problem")}}}}


LINES: Final = NDJSON[0]

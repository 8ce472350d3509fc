"""Routes of imports: NDJSON, one document or chunk a line, as long as the client likes."""

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias, TypeVar

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pergamum.api.answers import made, respond
from pergamum.api.bodies import batches_of_lines, faults
from pergamum.api.contract import LINES, answers
from pergamum.api.dependencies import ImportsDep, limits
from pergamum.api.drafts import document_draft, owned_chunk_draft
from pergamum.api.paths import LibraryReference
from pergamum.api.problems import field_of, type_of
from pergamum.domain.commands import WriteMode
from pergamum.errors import Conflict, EmbeddingFailed, InvalidField, LibraryNotFound, PergamumError
from pergamum.services.imports import Import, Line, OnError, Report
from pergamum.wire.chunks import ChunkIn
from pergamum.wire.documents import DocumentIn
from pergamum.wire.problems import ImportOut, LineProblem

router = APIRouter(prefix="/v1/libraries/{library}", tags=["import"])
REFUSES = (LibraryNotFound, Conflict, EmbeddingFailed)
Mode: TypeAlias = Annotated[WriteMode, Query(description="`create` refuses ids that exist, `upsert` replaces.")]
Fault: TypeAlias = Annotated[OnError, Query(description="`abort` keeps nothing, `skip` keeps the good lines.")]

Model = TypeVar("Model", bound=BaseModel)
Draft = TypeVar("Draft")


@router.post("/documents:import", **answers(ImportOut, takes=LINES, refuses=REFUSES, writes=True, keyed=False))
async def import_documents(
    library: LibraryReference,
    request: Request,
    imports: ImportsDep,
    mode: Mode = WriteMode.UPSERT,
    on_error: Fault = OnError.ABORT,
) -> Response:
    """Store documents with their chunks, one JSON object a line."""
    begun = await run_in_threadpool(imports.documents, library, mode, on_error)
    return await _run(request, begun, on_error, lambda line: document_draft(DocumentIn.model_validate_json(line)))


@router.post("/chunks:import", **answers(ImportOut, takes=LINES, refuses=REFUSES, writes=True, keyed=False))
async def import_chunks(
    library: LibraryReference,
    request: Request,
    imports: ImportsDep,
    mode: Mode = WriteMode.UPSERT,
    on_error: Fault = OnError.ABORT,
) -> Response:
    """Store chunks in the documents they name, one JSON object a line."""
    begun = await run_in_threadpool(imports.chunks, library, mode, on_error)
    return await _run(request, begun, on_error, lambda line: owned_chunk_draft(ChunkIn.model_validate_json(line)))


async def _run(
    request: Request, begun: Import[Draft, Any], on_error: OnError, read: Callable[[bytes], Draft]
) -> Response:
    """Feed the import with the body, a batch at a time; each is parsed and stored in a thread."""

    def take(lines: list[bytes], first: int) -> None:
        begun.take([_line(number, line, read) for number, line in enumerate(lines, first) if line.strip()])

    number = 1
    async for lines in batches_of_lines(
        request, limits(request).max_import_bytes if on_error is OnError.ABORT else None
    ):
        await run_in_threadpool(take, lines, number)
        number += len(lines)
    return _reported(await run_in_threadpool(begun.finish))


def _line(number: int, line: bytes, read: Callable[[bytes], Draft]) -> Line[Draft]:
    try:
        return Line(number, read(line))
    except ValidationError as error:
        fault = faults(error, line)[0]
        return Line(
            number, InvalidField(field_of(fault).removeprefix("body.").replace("body", "line"), str(fault["msg"]))
        )


def _reported(report: Report) -> Response:
    body = made(
        ImportOut,
        accepted=report.accepted,
        failed=report.failed,
        errors=[_line_problem(number, fault) for number, fault in report.errors],
        position=report.token.position,
    )
    return respond(body, token=report.token)


def _line_problem(number: int, fault: PergamumError) -> LineProblem:
    return made(LineProblem, **{**fault.facts, "line": number, "type": type_of(type(fault)), "detail": str(fault)})

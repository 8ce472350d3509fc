"""Routes of what a filter holds for: longer lists than GET takes, counts, facets, deletions and updates."""

from enum import Enum

from fastapi import APIRouter
from starlette.responses import Response

from pergamum.api.answers import made, respond
from pergamum.api.bodies import JsonBody, parsed
from pergamum.api.chunks import chunk_page
from pergamum.api.contract import answers
from pergamum.api.dependencies import LimitsDep, SelectionDep, page_of
from pergamum.api.documents import document_page
from pergamum.api.limits import Limits
from pergamum.api.lists import Wanted
from pergamum.api.paths import LibraryReference
from pergamum.api.writes import BodyWriteDep, Write
from pergamum.domain.facets import DEFAULT_TOP, FacetAsked, FacetFound, RangeAsked
from pergamum.domain.field_changes import FieldChanges
from pergamum.domain.fields import Level, Scalar
from pergamum.domain.filter_reading import read_filter
from pergamum.domain.json import Json
from pergamum.domain.metadata import spelled
from pergamum.errors import LibraryNotFound
from pergamum.services.selection import Rewritten, SelectionService
from pergamum.wire.chunks import ChunkList
from pergamum.wire.documents import DocumentList
from pergamum.wire.selection import (
    ChunkQueryIn,
    ChunkUpdateIn,
    CountIn,
    CountOut,
    DeleteWhereIn,
    DeleteWhereOut,
    DocumentQueryIn,
    DocumentUpdateIn,
    FacetIn,
    FacetOut,
    FacetsIn,
    FacetsOut,
    FailureOut,
    RangeIn,
    RangeOut,
    StatsOut,
    UpdateWhereOut,
    ValueOut,
)

router = APIRouter(prefix="/v1/libraries/{library}")
DOCUMENTS: list[str | Enum] = ["documents"]
CHUNKS: list[str | Enum] = ["chunks"]
REFUSES = (LibraryNotFound,)


# Documents ---------------------------------------------------------------------------------------------------------


@router.post("/documents:query", tags=DOCUMENTS, **answers(DocumentList, takes=DocumentQueryIn, refuses=REFUSES))
def query_documents(library: LibraryReference, raw: JsonBody, selection: SelectionDep, limits: LimitsDep) -> Response:
    """List documents as GET does, with a filter of any length."""
    body = parsed(DocumentQueryIn, raw)
    return document_page(library, selection, _wanted(body, limits), text=body.include is not None)


@router.post("/documents:count", tags=DOCUMENTS, **answers(CountOut, takes=CountIn, refuses=REFUSES))
def count_documents(library: LibraryReference, raw: JsonBody, selection: SelectionDep, limits: LimitsDep) -> Response:
    """Count the documents that a filter holds for."""
    return _count(Level.DOCUMENT, library, parsed(CountIn, raw), selection, limits)


@router.post("/documents:facets", tags=DOCUMENTS, **answers(FacetsOut, takes=FacetsIn, refuses=REFUSES))
def facets_of_documents(
    library: LibraryReference, raw: JsonBody, selection: SelectionDep, limits: LimitsDep
) -> Response:
    """Tell how the values of fields are spread over the documents that a filter holds for."""
    return _facets(Level.DOCUMENT, library, parsed(FacetsIn, raw), selection, limits)


@router.post(
    "/documents:delete", tags=DOCUMENTS, **answers(DeleteWhereOut, takes=DeleteWhereIn, refuses=REFUSES, writes=True)
)
def delete_documents(
    library: LibraryReference, write: BodyWriteDep, selection: SelectionDep, limits: LimitsDep
) -> Response:
    """Delete the documents that a filter holds for, with their chunks, in one atomic command."""
    return _delete(Level.DOCUMENT, library, write, selection, limits)


@router.post(
    "/documents:update", tags=DOCUMENTS, **answers(UpdateWhereOut, takes=DocumentUpdateIn, refuses=REFUSES, writes=True)
)
def update_documents(
    library: LibraryReference, write: BodyWriteDep, selection: SelectionDep, limits: LimitsDep
) -> Response:
    """Change fields of the documents that a filter holds for, of all or none, in one atomic command."""
    return _update(Level.DOCUMENT, library, write, selection, limits)


# Chunks ------------------------------------------------------------------------------------------------------------


@router.post("/chunks:query", tags=CHUNKS, **answers(ChunkList, takes=ChunkQueryIn, refuses=REFUSES))
def query_chunks(library: LibraryReference, raw: JsonBody, selection: SelectionDep, limits: LimitsDep) -> Response:
    """List chunks as GET does, with a filter of any length."""
    body = parsed(ChunkQueryIn, raw)
    form = None if body.include is None else body.embedding_format
    return chunk_page(library, selection, _wanted(body, limits), form)


@router.post("/chunks:count", tags=CHUNKS, **answers(CountOut, takes=CountIn, refuses=REFUSES))
def count_chunks(library: LibraryReference, raw: JsonBody, selection: SelectionDep, limits: LimitsDep) -> Response:
    """Count the chunks that a filter holds for."""
    return _count(Level.CHUNK, library, parsed(CountIn, raw), selection, limits)


@router.post("/chunks:facets", tags=CHUNKS, **answers(FacetsOut, takes=FacetsIn, refuses=REFUSES))
def facets_of_chunks(library: LibraryReference, raw: JsonBody, selection: SelectionDep, limits: LimitsDep) -> Response:
    """Tell how the values of fields are spread over the chunks that a filter holds for."""
    return _facets(Level.CHUNK, library, parsed(FacetsIn, raw), selection, limits)


@router.post(
    "/chunks:delete", tags=CHUNKS, **answers(DeleteWhereOut, takes=DeleteWhereIn, refuses=REFUSES, writes=True)
)
def delete_chunks(
    library: LibraryReference, write: BodyWriteDep, selection: SelectionDep, limits: LimitsDep
) -> Response:
    """Delete the chunks that a filter holds for, in one atomic command."""
    return _delete(Level.CHUNK, library, write, selection, limits)


@router.post(
    "/chunks:update", tags=CHUNKS, **answers(UpdateWhereOut, takes=ChunkUpdateIn, refuses=REFUSES, writes=True)
)
def update_chunks(
    library: LibraryReference, write: BodyWriteDep, selection: SelectionDep, limits: LimitsDep
) -> Response:
    """Change fields of the chunks that a filter holds for, of all or none, in one atomic command."""
    return _update(Level.CHUNK, library, write, selection, limits)


# Either ------------------------------------------------------------------------------------------------------------


def _wanted(body: DocumentQueryIn | ChunkQueryIn, limits: Limits) -> Wanted:
    page = page_of(body.limit, body.cursor, limits.max_page)
    return Wanted(body.filter, body.order_by, page, limits.max_filter_depth)


def _count(level: Level, library: str, body: CountIn, selection: SelectionService, limits: Limits) -> Response:
    filter = None if body.filter is None else read_filter(body.filter, limits.max_filter_depth)
    counted = selection.count(library, level, filter)
    return respond(made(CountOut, count=counted.count, position=counted.position))


def _facets(level: Level, library: str, body: FacetsIn, selection: SelectionService, limits: Limits) -> Response:
    filter = None if body.filter is None else read_filter(body.filter, limits.max_filter_depth)
    found = selection.facets(library, level, filter, [_facet_asked(facet) for facet in body.facets])
    facets = [_facet_out(facet, told) for facet, told in zip(body.facets, found.facets, strict=True)]
    return respond(made(FacetsOut, facets=facets, count=found.count, position=found.position))


def _delete(level: Level, library: str, write: Write, selection: SelectionService, limits: Limits) -> Response:
    body = parsed(DeleteWhereIn, write.body)
    filter = read_filter(body.filter, limits.max_filter_depth)
    if body.dry_run:
        return respond(_deleted_out(selection.delete(library, level, filter, dry_run=True)))
    return write.answered(
        library,
        lambda terms: selection.delete(library, level, filter, dry_run=False, terms=terms),
        lambda done: respond(_deleted_out(done), token=done.token),
    )


def _update(level: Level, library: str, write: Write, selection: SelectionService, limits: Limits) -> Response:
    body = parsed(DocumentUpdateIn if level is Level.DOCUMENT else ChunkUpdateIn, write.body)
    filter = read_filter(body.filter, limits.max_filter_depth)
    changes = FieldChanges(body.set, tuple(body.unset), body.append, body.remove)
    if body.dry_run:
        return respond(_updated_out(selection.update(library, level, filter, changes, dry_run=True)))
    return write.answered(
        library,
        lambda terms: selection.update(library, level, filter, changes, dry_run=False, terms=terms),
        lambda done: respond(_updated_out(done), token=done.token),
    )


def _deleted_out(done: Rewritten) -> DeleteWhereOut:
    return made(DeleteWhereOut, matched=done.matched, deleted=done.done, position=done.token.position)


def _updated_out(done: Rewritten) -> UpdateWhereOut:
    position = done.token.position
    return made(UpdateWhereOut, matched=done.matched, updated=done.done, position=position, **_failures(done))


def _failures(done: Rewritten) -> dict[str, object]:
    if done.rehearsal is None:
        return {}
    examples = [
        made(
            FailureOut,
            id=one.id,
            field=one.fault.facts.get("field"),
            reason=str(one.fault.facts.get("reason") or one.fault),
        )
        for one in done.rehearsal.examples
    ]
    return {"failing": done.rehearsal.failing, "failures": examples}


def _facet_asked(facet: FacetIn) -> FacetAsked:
    others = facet.ranges is not None or facet.stats
    top = DEFAULT_TOP if facet.top is None and not others else facet.top
    return FacetAsked(facet.field, top, tuple(map(_range_asked, facet.ranges or ())), facet.stats)


def _range_asked(one: RangeIn) -> RangeAsked:
    return RangeAsked(one.gt, one.gte, one.lt, one.lte)


def _facet_out(facet: FacetIn, found: FacetFound) -> FacetOut:
    told: dict[str, object] = {"field": facet.field, "missing": found.missing}
    if found.values is not None:
        told["values"] = [made(ValueOut, value=spelled(value), count=count) for value, count in found.values]
        told["distinct"] = found.distinct
    if found.ranges is not None:
        asked_for = facet.ranges or ()
        told["ranges"] = [
            made(RangeOut, **one.model_dump(exclude_unset=True), count=count)
            for one, count in zip(asked_for, found.ranges, strict=True)
        ]
    if facet.stats:
        told["stats"] = made(StatsOut, min=_json(found.least), max=_json(found.greatest))
    return made(FacetOut, **told)


def _json(value: Scalar | None) -> Json:
    return None if value is None else spelled(value)

"""What routes ask for. Everything hangs on `app.state.services`; `async`, because a thread for an attribute is dear."""

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends, Header, Query, Request

from pergamum.api.limits import Limits
from pergamum.errors import InvalidField
from pergamum.services.chunks import ChunkService
from pergamum.services.documents import DocumentService
from pergamum.services.imports import ImportService
from pergamum.services.index import IndexService
from pergamum.services.libraries import LibraryService
from pergamum.services.operations import OperationService
from pergamum.services.replies import ReplyService
from pergamum.services.schema import SchemaService
from pergamum.services.search import SearchService
from pergamum.services.selection import SelectionService
from pergamum.services.system import SystemService
from pergamum.wire.common import MAX_CURSOR

DEFAULT_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """One of each."""

    libraries: LibraryService
    documents: DocumentService
    chunks: ChunkService
    imports: ImportService
    schema: SchemaService
    selection: SelectionService
    search: SearchService
    index: IndexService
    operations: OperationService
    system: SystemService
    replies: ReplyService


def services(request: Request) -> Services:
    """Return the app's services."""
    found: Services = request.app.state.services
    return found


def limits(request: Request) -> Limits:
    """Return what one request may ask for."""
    found: Limits = request.app.state.limits
    return found


async def library_service(request: Request) -> LibraryService:
    """Return what can be done with libraries."""
    return services(request).libraries


async def document_service(request: Request) -> DocumentService:
    """Return what can be done with documents."""
    return services(request).documents


async def chunk_service(request: Request) -> ChunkService:
    """Return what can be done with chunks."""
    return services(request).chunks


async def schema_service(request: Request) -> SchemaService:
    """Return what can be done with metadata schemas."""
    return services(request).schema


async def selection_service(request: Request) -> SelectionService:
    """Return what can be done with what a filter holds for."""
    return services(request).selection


async def import_service(request: Request) -> ImportService:
    """Return what imports."""
    return services(request).imports


async def index_service(request: Request) -> IndexService:
    """Return what can be done with an index."""
    return services(request).index


async def operation_service(request: Request) -> OperationService:
    """Return what can be asked about operations."""
    return services(request).operations


async def system_service(request: Request) -> SystemService:
    """Return what can be asked about the server."""
    return services(request).system


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is wanted: at most `limit` items after `cursor`."""

    limit: int
    cursor: str | None


async def page(
    request: Request,
    limit: Annotated[int | None, Query(ge=1, description="Most items wanted.")] = None,
    cursor: Annotated[str | None, Query(max_length=MAX_CURSOR, description="`next_cursor` of the page before.")] = None,
) -> Page:
    """Return the part of a list that is wanted. Raises `InvalidField` for a limit above the configured most."""
    return page_of(limit, cursor, limits(request).max_page)


def page_of(limit: int | None, cursor: str | None, most: int) -> Page:
    """Return the part of a list that is wanted. Raises `InvalidField` for a limit above the most there may be."""
    if limit is not None and limit > most:
        raise InvalidField("limit", f"must be at most {most}")
    return Page(limit or min(DEFAULT_PAGE, most), cursor)


async def request_limits(request: Request) -> Limits:
    """Return what one request may ask for."""
    return limits(request)


async def if_none_match(
    if_none_match: Annotated[str | None, Header(description="Etags: of what the client has seen already.")] = None,
) -> str | None:
    """Return what the client has seen already."""
    return if_none_match


SeenDep: TypeAlias = Annotated[str | None, Depends(if_none_match)]
LibrariesDep: TypeAlias = Annotated[LibraryService, Depends(library_service)]
DocumentsDep: TypeAlias = Annotated[DocumentService, Depends(document_service)]
ChunksDep: TypeAlias = Annotated[ChunkService, Depends(chunk_service)]
SchemaDep: TypeAlias = Annotated[SchemaService, Depends(schema_service)]
SelectionDep: TypeAlias = Annotated[SelectionService, Depends(selection_service)]
ImportsDep: TypeAlias = Annotated[ImportService, Depends(import_service)]
IndexDep: TypeAlias = Annotated[IndexService, Depends(index_service)]
OperationsDep: TypeAlias = Annotated[OperationService, Depends(operation_service)]
SystemDep: TypeAlias = Annotated[SystemService, Depends(system_service)]
LimitsDep: TypeAlias = Annotated[Limits, Depends(request_limits)]
PageDep: TypeAlias = Annotated[Page, Depends(page)]

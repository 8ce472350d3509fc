"""Routes of libraries."""

from fastapi import APIRouter
from starlette.responses import Response

from pergamum.api.answers import deleted, library_out, made, respond
from pergamum.api.bodies import parsed
from pergamum.api.contract import answers
from pergamum.api.cursors import cursor_after, read_cursor
from pergamum.api.dependencies import LibrariesDep, PageDep
from pergamum.api.drafts import library_changes, library_draft, library_replacement
from pergamum.api.paths import LibraryReference
from pergamum.api.writes import BodyWriteDep, WriteDep
from pergamum.domain.tokens import Token
from pergamum.errors import LibraryExists, LibraryNotFound
from pergamum.storage.base import LibraryState
from pergamum.wire.libraries import LibraryIn, LibraryList, LibraryOut, LibraryPatch

router = APIRouter(prefix="/v1/libraries", tags=["libraries"])


@router.post("", **answers(LibraryOut, status=201, takes=LibraryIn, refuses=[LibraryExists], writes=True, etag=True))
def create_library(write: BodyWriteDep, libraries: LibrariesDep) -> Response:
    """Create a library."""
    draft = library_draft(parsed(LibraryIn, write.body))
    return write.answered(None, lambda terms: libraries.create(draft, terms), _created)


@router.get("", **answers(LibraryList))
def list_libraries(libraries: LibrariesDep, page: PageDep) -> Response:
    """List libraries by ascending name."""
    found = libraries.page(read_cursor(page.cursor, str, "libraries"), page.limit)
    next_cursor = None if found.last is None else cursor_after(found.last, "libraries")
    items = list(map(library_out, found.items))
    return respond(made(LibraryList, items=items, unavailable=found.unavailable, next_cursor=next_cursor))


@router.get("/{library}", **answers(LibraryOut, refuses=[LibraryNotFound], etag=True))
def get_library(library: LibraryReference, libraries: LibrariesDep) -> Response:
    """Return a library and how much it holds."""
    body = library_out(libraries.get(library))
    return respond(body, etag=body.etag)


@router.put(
    "/{library}",
    **answers(
        LibraryOut, takes=LibraryIn, refuses=[LibraryNotFound, LibraryExists], writes=True, etag=True, if_match=True
    ),
)
def replace_library(library: LibraryReference, write: BodyWriteDep, libraries: LibrariesDep) -> Response:
    """Replace the settings of a library; one left out gets its default. What never changes may be left out."""
    replacement = library_replacement(parsed(LibraryIn, write.body))
    return write.answered(library, lambda terms: libraries.replace(library, replacement, terms), _written)


@router.patch(
    "/{library}",
    **answers(
        LibraryOut, takes=LibraryPatch, refuses=[LibraryNotFound, LibraryExists], writes=True, etag=True, if_match=True
    ),
)
def update_library(library: LibraryReference, write: BodyWriteDep, libraries: LibrariesDep) -> Response:
    """Change settings of a library (RFC 7396); metric, dimension and model never change."""
    changes, chunking = library_changes(parsed(LibraryPatch, write.body))
    return write.answered(library, lambda terms: libraries.update(library, changes, chunking, terms), _written)


@router.delete("/{library}", **answers(status=204, refuses=[LibraryNotFound], writes=True, if_match=True))
def delete_library(library: LibraryReference, write: WriteDep, libraries: LibrariesDep) -> Response:
    """Delete a library with all it holds."""
    return write.answered(None, lambda terms: libraries.delete(library, terms), deleted)


def _written(state: LibraryState, status: int = 200, location: str | None = None) -> Response:
    body, token = library_out(state), Token(state.library.id, state.position)
    return respond(body, status, token=token, location=location, etag=body.etag)


def _created(state: LibraryState) -> Response:
    return _written(state, 201, f"/v1/libraries/{state.library.id}")

"""Routes of libraries."""

from fastapi import APIRouter
from starlette.responses import Response

from pergamum.api.answers import deleted, library_out, made, respond
from pergamum.api.bodies import JsonBody, parsed
from pergamum.api.contract import answers
from pergamum.api.cursors import cursor_after, read_cursor
from pergamum.api.dependencies import LibrariesDep, PageDep
from pergamum.api.drafts import library_changes, library_draft, library_replacement
from pergamum.api.paths import LibraryReference
from pergamum.errors import LibraryExists, LibraryNotFound
from pergamum.wire.libraries import LibraryIn, LibraryList, LibraryOut, LibraryPatch

router = APIRouter(prefix="/v1/libraries", tags=["libraries"])


@router.post("", **answers(LibraryOut, status=201, takes=LibraryIn, refuses=[LibraryExists], writes=True))
def create_library(raw: JsonBody, libraries: LibrariesDep) -> Response:
    """Create a library."""
    state = libraries.create(library_draft(parsed(LibraryIn, raw)))
    location = f"/v1/libraries/{state.library.id}"
    return respond(library_out(state), 201, position=state.position, location=location)


@router.get("", **answers(LibraryList))
def list_libraries(libraries: LibrariesDep, page: PageDep) -> Response:
    """List libraries by ascending name."""
    found = libraries.page(read_cursor(page.cursor, str, "libraries"), page.limit)
    next_cursor = None if found.last is None else cursor_after(found.last, "libraries")
    items = list(map(library_out, found.items))
    return respond(made(LibraryList, items=items, unavailable=found.unavailable, next_cursor=next_cursor))


@router.get("/{library}", **answers(LibraryOut, refuses=[LibraryNotFound]))
def get_library(library: LibraryReference, libraries: LibrariesDep) -> Response:
    """Return a library and how much it holds."""
    return respond(library_out(libraries.get(library)))


@router.put(
    "/{library}",
    **answers(LibraryOut, takes=LibraryIn, refuses=[LibraryNotFound, LibraryExists], writes=True),
)
def replace_library(library: LibraryReference, raw: JsonBody, libraries: LibrariesDep) -> Response:
    """Replace the settings of a library; one left out gets its default. What never changes may be left out."""
    state = libraries.replace(library, *library_replacement(parsed(LibraryIn, raw)))
    return respond(library_out(state), position=state.position)


@router.patch(
    "/{library}",
    **answers(LibraryOut, takes=LibraryPatch, refuses=[LibraryNotFound, LibraryExists], writes=True),
)
def update_library(library: LibraryReference, raw: JsonBody, libraries: LibrariesDep) -> Response:
    """Change settings of a library (RFC 7396); metric, dimension and model never change."""
    state = libraries.update(library, *library_changes(parsed(LibraryPatch, raw)))
    return respond(library_out(state), position=state.position)


@router.delete("/{library}", **answers(status=204, refuses=[LibraryNotFound], writes=True))
def delete_library(library: LibraryReference, libraries: LibrariesDep) -> Response:
    """Delete a library with all it holds."""
    return deleted(libraries.delete(library))

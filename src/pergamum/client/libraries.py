"""Libraries: created, found and searched."""

from collections.abc import Sequence
from typing import Literal, Unpack

from pergamum.client import calls
from pergamum.client.chunks import Chunks
from pergamum.client.documents import Documents
from pergamum.client.drafts import Index, LibraryChanges, NewLibrary, Options, Query
from pergamum.client.paging import Pages
from pergamum.client.schemas import Schema
from pergamum.client.transport import Door
from pergamum.client.vectors import VectorLike
from pergamum.wire.index import IndexOut, PreflightOut
from pergamum.wire.libraries import LibraryOut
from pergamum.wire.operations import OperationOut
from pergamum.wire.search import HitOut, SearchOut


class Library:
    """One library: its documents, its chunks, its schema, and what searches them. Named by its id or name."""

    def __init__(self, door: Door, key: str, info: LibraryOut | None = None) -> None:
        self._door, self._info, self.key = door, info, key
        self.documents, self.chunks, self.schema = Documents(door, key), Chunks(door, key), Schema(door, key)

    def __repr__(self) -> str:
        return f"Library({self.key!r})"

    @property
    def info(self) -> LibraryOut:
        """What the server last said of the library; asked for when nothing was said yet. Raises `NotFound`."""
        return self._info or self.refresh()

    def refresh(self) -> LibraryOut:
        """Ask again for the library's settings and counts."""
        self._info = self._door.send(calls.get_library(self.key))
        return self._info

    def search(
        self,
        *,
        text: str | None = None,
        vector: VectorLike | None = None,
        k: int = 10,
        recall: float | Literal["exact"] | None = None,
        **options: Unpack[Options],
    ) -> SearchOut:
        """Return the `k` chunks nearest to a text or a vector, nearest first; fewer when fewer exist.

        Options filter, search by words too, group, diversify, rerank: docs/search.md. Raises `Invalid` for what cannot
        be combined, or when the library has no model for a text.
        >>> library.search(text="what moves the ocean?", k=1).hits[0].text
        'The moon pulls the sea.'
        >>> library.search(text="what moves the ocean?", mode="hybrid", filter=F.year >= 2020).hits
        []
        """
        query = Query(text=text, vector=vector, k=k, recall=recall, **options)
        return self._door.send(calls.search(self.key, query))

    def search_pages(self, **query: Unpack[Query]) -> Pages[HitOut]:
        """Return the hits of a search, best first, `k` at a time as they are read, all as of one moment.

        The server ranks some 1,000 hits and keeps them for some minutes.
        """
        return Pages(self._door, lambda cursor: calls.search_page(self.key, query, cursor))

    def search_many(self, queries: Sequence[Query]) -> list[SearchOut]:
        """Return one answer for each query, in order, from one request."""
        return self._door.send(calls.search_many(self.key, queries)).answers

    def index(self) -> IndexOut:
        """Return how the library is searched and what that takes."""
        return self._door.send(calls.get_index(self.key))

    def build_index(self, **index: Unpack[Index]) -> OperationOut:
        """Ask for an index; return the operation that builds it, to be followed by `client.operations.get`."""
        return self._door.send(calls.build_index(self.key, index))

    def preflight_index(self, **index: Unpack[Index]) -> PreflightOut:
        """Return what an index is predicted to take, and to find, without building it."""
        return self._door.send(calls.preflight_index(self.key, index))


class Libraries:
    """The libraries of a server."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def create(self, **fields: Unpack[NewLibrary]) -> Library:
        """Create a library. Neither dimension nor embedding_model: it embeds texts by itself. Raises `Conflict`."""
        return self._library(self._door.send(calls.create_library(fields)))

    def get(self, library: str) -> Library:
        """Return a library by its id or name. Raises `NotFound`."""
        return self._library(self._door.send(calls.get_library(library)))

    def list(self, *, page_size: int | None = None) -> Pages[LibraryOut]:
        """Return what is known of all libraries by ascending name, fetched page by page as they are read."""
        return Pages(self._door, lambda cursor: calls.list_libraries(cursor, page_size))

    def update(self, library: str, **changes: Unpack[LibraryChanges]) -> Library:
        """Change the fields given; None clears the description. Raises `Conflict` for a name that is taken."""
        return self._library(self._door.send(calls.update_library(library, changes)))

    def delete(self, library: str) -> int | None:
        """Delete a library with everything in it; return the position of that write. Raises `NotFound`."""
        return self._door.send(calls.delete_library(library))

    def _library(self, info: LibraryOut) -> Library:
        return Library(self._door, str(info.id), info)

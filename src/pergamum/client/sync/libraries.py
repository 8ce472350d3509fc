# Made by scripts/make_sync_client from aio/libraries.py: change it there.
"""Libraries: created, found and searched."""

from collections.abc import Iterable
from typing import Literal, Unpack

from pergamum.client import calls
from pergamum.client.drafts import AddLibrary, ChangeLibrary, Facet, PagedSearch, Query, SearchOptions
from pergamum.client.embedders import EmbedderLike
from pergamum.client.filters import FilterLike
from pergamum.client.layouts import HITS, LIBRARIES
from pergamum.client.options import ChangeOptions, ReadOptions, parted
from pergamum.client.page import Page
from pergamum.client.results import Facets, LibraryInfo, SearchResult
from pergamum.client.sync.chunks import Chunks
from pergamum.client.sync.documents import Documents
from pergamum.client.sync.embedding import Embedding
from pergamum.client.sync.index import Index
from pergamum.client.sync.paging import Pages
from pergamum.client.sync.preview import preview
from pergamum.client.sync.schema import Schema
from pergamum.client.sync.transport import Door
from pergamum.client.vectors import VectorLike
from pergamum.wire.search import HitOut


class Library:
    """One library: its documents, its chunks, its schema, and what searches them. Named by its id or name."""

    def __init__(
        self, door: Door, key: str, info: LibraryInfo | None = None, *, embedder: EmbedderLike | None = None
    ) -> None:
        self._door, self._info, self.key = door, info, key
        self._embedding = Embedding(door, key, embedder, info.chunking if info else None)
        self.documents = Documents(door, key, self._embedding)
        self.chunks = Chunks(door, key, self._embedding)
        self.schema, self.index = Schema(door, key), Index(door, key)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({(self._info.name if self._info else self.key)!r})"

    def _repr_html_(self) -> str | None:
        """Return what a notebook shows: what the server says, or said last where that cannot be waited for."""
        info = preview(self.refresh) or self._info
        return None if info is None else info._repr_html_()

    @property
    def embedder(self) -> EmbedderLike | None:
        """What embeds on the client's side, if anything does."""
        return self._embedding.embedder

    def info(self, **options: Unpack[ReadOptions]) -> LibraryInfo:
        """Return what the server last said of the library; asks when nothing was said yet. Raises `NotFound`."""
        return self._info or self.refresh(**options)

    def refresh(self, **options: Unpack[ReadOptions]) -> LibraryInfo:
        """Ask again for the library's settings and counts."""
        self._info = self._door.send(calls.get_library(self.key), options)
        return self._info

    def search(
        self,
        *,
        text: str | None = None,
        vector: VectorLike | None = None,
        k: int = 10,
        recall: float | Literal["exact"] | None = None,
        **more: Unpack[SearchOptions],
    ) -> SearchResult:
        """Return the `k` chunks nearest to a text or a vector, nearest first; fewer when fewer exist.

        Options filter, search by words too, group, diversify, rerank: docs/search.md. Raises `Invalid` for what cannot
        be combined, or when the library has no model for a text.
        >>> library.search(text="what moves the ocean?", k=1).hits[0].text
        'The moon pulls the sea.'
        >>> library.search(text="what moves the ocean?", mode="hybrid", filter=F.year >= 2020).hits
        []
        """
        query, options = parted(more)
        query |= {"text": text, "vector": vector, "k": k, "recall": recall}
        return self._door.send(calls.search(self.key, self._embedding.query(query)), options)

    def search_pages(self, **search: Unpack[PagedSearch]) -> Pages[HitOut]:
        """Return the hits of a search, best first, `k` at a time as they are read, all as of one moment.

        The server ranks some 1,000 hits and keeps them for some minutes.
        """

        query, options = parted(search)

        def fetch(cursor: str | None) -> Page[HitOut]:
            ready = self._embedding.query(query) if cursor is None else query
            return self._door.send(calls.search_page(self.key, ready, cursor), options)

        return Pages(fetch, HITS, query.get("select") or ("text",))

    def search_many(
        self, queries: Iterable[Query | str | VectorLike], **options: Unpack[ReadOptions]
    ) -> list[SearchResult]:
        """Return one answer for each query, in order, from one request. A text or a vector alone is a query too."""
        ready = self._embedding.queries([calls.query_of(query) for query in queries])
        return self._door.send(calls.search_many(self.key, ready), options).answers

    def count(self, filter: FilterLike | None = None, **options: Unpack[ReadOptions]) -> int:
        """Return how many chunks the filter holds for; without one, how many there are."""
        return self.chunks.count(filter, **options)

    def facets(self, *wanted: Facet, filter: FilterLike | None = None, **options: Unpack[ReadOptions]) -> Facets:
        """Return how the values of fields are spread over the chunks that the filter holds for."""
        return self.chunks.facets(*wanted, filter=filter, **options)


class Libraries:
    """The libraries of a server."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def create(self, *, embedder: EmbedderLike | None = None, **library: Unpack[AddLibrary]) -> Library:
        """Create a library. Neither dimension nor embedding_model: it embeds texts by itself. Raises `Conflict`.

        With an embedder the client embeds, and the first vector settles the dimension; `pergamum.client.embedders` says
        what one is. It is not kept by the server: give it again to `get` or `client.library`.
        """
        fields, options = parted(library)
        if embedder is not None and fields.get("dimension") is None:
            fields.setdefault("embedding_model", None)  # or the server would take its own model
        return self._library(self._door.send(calls.create_library(fields), options), embedder)

    def get(self, library: str, *, embedder: EmbedderLike | None = None, **options: Unpack[ReadOptions]) -> Library:
        """Return a library by its id or name; with an embedder, texts are embedded by it. Raises `NotFound`."""
        return self._library(self._door.send(calls.get_library(library), options), embedder)

    def list(self, *, page_size: int | None = None, **options: Unpack[ReadOptions]) -> Pages[LibraryInfo]:
        """Return what is known of all libraries by ascending name, fetched page by page as they are read."""
        return Pages(lambda cursor: self._door.send(calls.list_libraries(cursor, page_size), options), LIBRARIES)

    def update(self, library: str, **changes: Unpack[ChangeLibrary]) -> Library:
        """Change the fields given; None clears the description. Raises `Conflict` for a name that is taken."""
        fields, options = parted(changes)
        return self._library(self._door.send(calls.update_library(library, fields), options))

    def delete(self, library: str, **options: Unpack[ChangeOptions]) -> int | None:
        """Delete a library with everything in it; return the position of that write. Raises `NotFound`."""
        return self._door.send(calls.delete_library(library), options)

    def _library(self, info: LibraryInfo, embedder: EmbedderLike | None = None) -> Library:
        return Library(self._door, str(info.id), info, embedder=embedder)

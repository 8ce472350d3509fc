"""What can be asked of a library."""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from math import inf
from typing import Final, Self, TypeAlias
from uuid import UUID

import numpy as np

from pergamum.domain.library import Library
from pergamum.domain.query import Answer, Recall
from pergamum.domain.search_options import PLAIN, Mode
from pergamum.domain.vectors import Matrix, Vector
from pergamum.engine.elsewhere import Elsewhere
from pergamum.engine.searching import SearchableCatalog, SearchableLibrary
from pergamum.engine.where import Where
from pergamum.errors import CursorExpired, Invalid, NotFound
from pergamum.services.composer import Composer
from pergamum.services.drafts import Query
from pergamum.services.pages import Pages, part_of
from pergamum.services.questions import check_limits, question
from pergamum.services.reranking import RerankerSource, reranked

Fault: TypeAlias = Invalid | NotFound | CursorExpired
FAULTS: Final = (Invalid, NotFound, CursorExpired)
"""What can be wrong with one of several searches."""
Found: TypeAlias = Answer | Fault
"""What became of one of several searches: its answer, or what is wrong with it."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What queries must have in common to be answered together."""

    k: int
    recall: Recall | None
    explain: bool
    where: Where | None

    @classmethod
    def of(cls, library: Library, query: Query) -> Self:
        return cls(query.k, query.recall, query.explain, _where(library, query))

    def predicted_seconds(self, live: SearchableLibrary) -> float:
        """Return what one of them should take now; infinity where nobody can tell."""
        return live.predicted_seconds(1, self.k, self.recall, self.where)


@dataclass(frozen=True, slots=True)
class Means:
    """What searching needs beside libraries: rerankers, pages of earlier answers, the most hits of a search.

    `pages` is None where another process keeps them: a client's next request may come to any.
    """

    rerankers: RerankerSource
    pages: Pages | None
    max_k: int


class SearchService:
    """Threads: any. `observe` is told the plan of each search."""

    def __init__(
        self, catalog: SearchableCatalog, composer: Composer, means: Means, observe: Callable[[str], None]
    ) -> None:
        self._catalog, self._composer = catalog, composer
        self._means, self._observe = means, observe

    def search(self, reference: str, query: Query) -> Answer:
        """Return the best chunks for the query. Raises one of FAULTS, `LibraryNotFound`, `ProviderFailed`."""
        library_id = self._catalog.resolve(reference)
        with self._catalog.opened(library_id) as live:
            if query.options is not PLAIN:
                return self._retrieved(live, library_id, query)
            wanted, vector = self._plain(live, query)
            return self._answers(live, vector[np.newaxis], wanted)[0]

    def search_each(self, reference: str, queries: Sequence[Query]) -> list[Found]:
        """Return what becomes of each query, in order; those that ask for the same share one search."""
        library_id = self._catalog.resolve(reference)
        with self._catalog.opened(library_id) as live:
            found = self._each(live, library_id, queries)
        return [found[place] for place in range(len(queries))]

    def search_short(self, seconds: float, reference: str, queries: Sequence[Query]) -> list[Found | None]:
        """Do as `search_each` does, with None for each query that should take longer now, or wait for files.

        REQUIRES: queries by vector whose options are PLAIN.
        """
        library_id = self._catalog.resolve(reference)
        if not self._catalog.is_open(library_id):
            return [None] * len(queries)
        with self._catalog.opened(library_id) as live:
            found = self._each(live, library_id, queries, most_seconds=seconds)
        return [found.get(place) for place in range(len(queries))]

    def search_all(self, reference: str, queries: Sequence[Query]) -> list[Answer]:
        """Return an answer for each query, in order. Raises what is wrong with the first that is."""
        library_id = self._catalog.resolve(reference)
        with self._catalog.opened(library_id) as live:
            found = self._each(live, library_id, queries, stop_at_fault=True)
        return [answer for place in range(len(queries)) if isinstance(answer := found[place], Answer)]

    def _each(
        self,
        live: SearchableLibrary,
        library_id: UUID,
        queries: Sequence[Query],
        *,
        stop_at_fault: bool = False,
        most_seconds: float = inf,
    ) -> dict[int, Found]:
        """Return what becomes of the queries by their places, but for those that should take longer."""
        found: dict[int, Found] = {}
        alike: dict[_Wanted, list[tuple[int, Vector]]] = {}
        for place, query in enumerate(queries):
            try:
                if query.options is PLAIN:
                    wanted, vector = self._plain(live, query)
                    alike.setdefault(wanted, []).append((place, vector))
                else:
                    found[place] = self._retrieved(live, library_id, query)
            except FAULTS as fault:
                if stop_at_fault:
                    raise fault.located(query=place) from None
                found[place] = fault
        for wanted, asked in alike.items():
            if most_seconds < inf and wanted.predicted_seconds(live) > most_seconds:
                continue
            places = [place for place, _ in asked]
            try:
                answers = self._answers(live, np.stack([vector for _, vector in asked]), wanted)
                found.update(zip(places, answers, strict=True))
            except FAULTS as fault:  # the schema has changed since the filter was checked
                if stop_at_fault:
                    raise fault.located(query=places[0]) from None
                found.update((place, copy(fault)) for place in places)
        return found

    def _plain(self, live: SearchableLibrary, query: Query) -> tuple[_Wanted, Vector]:
        check_limits(query, self._means.max_k)
        library = live.view.state.library
        return _Wanted.of(library, query), self._vector(library, query)

    def _answers(self, live: SearchableLibrary, vectors: Matrix, wanted: _Wanted) -> list[Answer]:
        state = live.view.state
        if state.library.dimension is None:  # no vector was ever stored: nothing that these could be compared with
            empty = Answer((), exact=True, expected_recall=1.0, complete=True, position=state.position, plan="empty")
            return [empty] * len(vectors)
        answers = live.search(vectors, wanted.k, wanted.recall, where=wanted.where, explain=wanted.explain)
        for answer in answers:
            self._observe(answer.plan)
        return answers

    def _retrieved(self, live: SearchableLibrary, library_id: UUID, query: Query) -> Answer:
        """Return the answer to a query that asks for more than the nearest."""
        options = query.options
        pages = self._pages() if options.page or options.cursor is not None else None
        if pages is not None and options.cursor is not None:
            return pages.next(library_id, options.cursor)
        check_limits(query, self._means.max_k)
        library, reranking = live.view.state.library, options.rerank
        reranker = None if reranking is None else self._means.rerankers.get(reranking.provider, reranking.model)
        searched_by_vector = options.mode is not Mode.KEYWORD and options.like is None
        vector = self._vector(library, query) if searched_by_vector else None
        answer = live.retrieve(question(library, query, vector, self._means.max_k))
        self._observe(answer.plan)
        if reranker is not None and reranking is not None:
            answer = reranked(answer, reranker, query.text or "", reranking.top)
        return part_of(answer, 0, query.k) if pages is None else pages.first(library_id, answer, query.k)

    def _pages(self) -> Pages:
        if self._means.pages is None:
            raise Elsewhere
        return self._means.pages

    def _vector(self, library: Library, query: Query) -> Vector:
        vector = self._composer.query_vector(library, query.text or "") if query.vector is None else query.vector
        library.check(vector)
        return vector


def _where(library: Library, query: Query) -> Where | None:
    return None if query.filter is None else Where.of(query.filter, library.metadata_schema)

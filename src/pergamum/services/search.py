"""What can be asked of a library."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np

from pergamum.domain.library import Library
from pergamum.domain.query import Answer, Recall
from pergamum.domain.vectors import Matrix, Vector
from pergamum.engine.catalog import Catalog
from pergamum.engine.live_library import LiveLibrary
from pergamum.errors import Invalid, InvalidField
from pergamum.services.composer import Composer
from pergamum.services.drafts import Query

Found: TypeAlias = Answer | Invalid
"""What became of one of several searches: its answer, or what is wrong with it."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What queries must have in common to be answered together."""

    k: int
    recall: Recall | None
    explain: bool

    @classmethod
    def of(cls, query: Query) -> Self:
        return cls(query.k, query.recall, query.explain)


class SearchService:
    """Threads: any. `observe` is told the plan of each search."""

    def __init__(self, catalog: Catalog, composer: Composer, max_k: int, observe: Callable[[str], None]) -> None:
        self._catalog, self._composer = catalog, composer
        self._max_k, self._observe = max_k, observe

    def search(self, reference: str, query: Query) -> Answer:
        """Return the chunks nearest to the query. Raises `Invalid`, `LibraryNotFound`, `EmbeddingFailed`."""
        with self._catalog.opened(self._catalog.resolve(reference)) as live:
            return self._answer(live, query)

    def takes_at_most(self, seconds: float, reference: str, query: Query) -> bool:
        """Whether this search by vector should take no longer now; never where it would wait for files."""
        library_id = self._catalog.resolve(reference)
        if not self._catalog.is_open(library_id):
            return False
        with self._catalog.opened(library_id) as live:
            return live.predicted_seconds(1, query.k, query.recall) <= seconds

    def search_each(self, reference: str, queries: Sequence[Query]) -> list[Found]:
        """Return what becomes of each query, in order; those that ask for the same share one search."""
        with self._catalog.opened(self._catalog.resolve(reference)) as live:
            return self._each(live, queries, stop_at_fault=False)

    def search_all(self, reference: str, queries: Sequence[Query]) -> list[Answer]:
        """Return an answer for each query, in order. Raises what is wrong with the first that is."""
        with self._catalog.opened(self._catalog.resolve(reference)) as live:
            found = self._each(live, queries, stop_at_fault=True)
        return [answer for answer in found if isinstance(answer, Answer)]

    def _answer(self, live: LiveLibrary, query: Query) -> Answer:
        library = live.view.state.library
        return self._answers(live, library, self._vector(library, query)[np.newaxis], _Wanted.of(query))[0]

    def _each(self, live: LiveLibrary, queries: Sequence[Query], *, stop_at_fault: bool) -> list[Found]:
        library = live.view.state.library
        found: dict[int, Found] = {}
        alike: dict[_Wanted, list[tuple[int, Vector]]] = {}
        for place, query in enumerate(queries):
            try:
                vector = self._vector(library, query)
                alike.setdefault(_Wanted.of(query), []).append((place, vector))
            except Invalid as fault:
                if stop_at_fault:
                    raise fault.located(query=place) from None
                found[place] = fault
        for wanted, asked in alike.items():
            answers = self._answers(live, library, np.stack([vector for _, vector in asked]), wanted)
            found.update((place, answer) for (place, _), answer in zip(asked, answers, strict=True))
        return [found[place] for place in range(len(queries))]

    def _answers(self, live: LiveLibrary, library: Library, vectors: Matrix, wanted: "_Wanted") -> list[Answer]:
        if library.dimension is None:  # no vector was ever stored: nothing that these could be compared with
            position = live.view.state.position
            answers = [Answer((), exact=True, expected_recall=1.0, complete=True, position=position, plan="empty")]
            return answers * len(vectors)
        answers = live.search(vectors, wanted.k, wanted.recall, explain=wanted.explain)
        for answer in answers:
            self._observe(answer.plan)
        return answers

    def _vector(self, library: Library, query: Query) -> Vector:
        if query.k > self._max_k:
            raise InvalidField("k", f"must be at most {self._max_k}")
        vector = self._composer.query_vector(library, query.text or "") if query.vector is None else query.vector
        library.check(vector)
        return vector

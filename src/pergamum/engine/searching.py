"""How an open library is searched: by whoever writes it too, and by a process that only reads it.

A search takes the view in one attribute read and uses only it. Where it meets rows newer than its view it is made
again.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol, TypeVar
from uuid import UUID

from pergamum.domain.query import Answer, Recall, wanted_share
from pergamum.domain.vectors import Matrix
from pergamum.engine.answering import Scope, Search, Stages, assembled, explanation, extent_of, nothing, vouched, within
from pergamum.engine.hit_rows import HitRows
from pergamum.engine.live_recall import LiveRecall
from pergamum.engine.planner import Asked, Planner
from pergamum.engine.retrieval import Pinned, Question, Retrieval, UnreadableRows
from pergamum.engine.view import View
from pergamum.engine.where import Where, filtered, filtering, known_slots
from pergamum.index.mask import SlotMask
from pergamum.storage.base import Rows

T = TypeVar("T")


class SearchableCatalog(Protocol):
    """Which libraries there are, as far as searches are concerned. Threads: any."""

    def resolve(self, reference: str) -> UUID:
        """Return the id of the library with this name or id. Raises `LibraryNotFound`."""

    def opened(self, library_id: UUID) -> "AbstractContextManager[SearchableLibrary]":
        """Pin the library open for the block: what was acknowledged before is seen in it."""

    def is_open(self, library_id: UUID) -> bool:
        """Whether using the library now needs no opening."""


class SearchableLibrary(ABC):
    """An open library, as far as searches are concerned. Threads: any.

    Not a part of the library but what both kinds of it are: a part would hold the whole, and so its files, open.
    """

    def __init__(self, view: View, rows: HitRows) -> None:
        self._view, self._rows = view, rows
        self._planner, self.live_recall = Planner(None), LiveRecall()

    @property
    def view(self) -> View:
        """The current view; it never changes, but a newer one may take its place at any time."""
        return self._view

    @abstractmethod
    def reading(self) -> AbstractContextManager[Rows]:
        """Open a read transaction; it is never older than the view was at the call."""

    @abstractmethod
    def view_with_columns(self) -> View:
        """Return the current view with what filters need. REQUIRES: the caller is in no transaction."""

    @abstractmethod
    def refresh(self) -> None:
        """Make the current view one that is not older than the rows were at the call."""

    @abstractmethod
    def _alone(self, attempt: Callable[[], T | None]) -> T:
        """Return what an attempt comes to where it cannot meet rows newer than its view."""

    @abstractmethod
    def _leave_out(self, slots: Sequence[int], /) -> None:
        """Publish a view without those of `slots` whose rows cannot be read."""

    def predicted_seconds(
        self, queries: int, k: int, recall: Recall | None = None, where: Where | None = None
    ) -> float:
        """Return what answering that many queries should cost now, on one core; inf where the filter is a new one."""
        view = self._view
        searched = view.live if where is None else known_slots(view, where)
        if searched is None:
            return math.inf
        asked = Asked(k, wanted_share(recall, view.state.library.recall), queries)
        return self._planner_of(view).plan(asked, extent_of(view, searched)).seconds

    def search(
        self,
        queries: Matrix,
        k: int,
        recall: Recall | None = None,
        allowed: SlotMask | None = None,
        *,
        where: Where | None = None,
        explain: bool = False,
    ) -> list[Answer]:
        """Return for each query its nearest chunks, all at one position: those in `allowed` slots, or where that holds.

        `recall` None means that of the library's settings. Raises `UnknownField`, `InvalidFilter` when the schema has
        changed since the filter was checked. REQUIRES: queries float32 (m, dimension) that have passed the library's
        check; not both a mask and a filter.
        """
        asked = Asked(k, wanted_share(recall, self._view.state.library.recall), len(queries))
        search = Search(queries, asked, allowed, explain)
        return self._settled(lambda: self._answers(search, where, Stages.begin()))

    def retrieve(self, question: Question) -> Answer:
        """Return the answer to a question that asks for more than the nearest, all of it at one position.

        Raises `UnknownField`, `InvalidFilter` as `search` does, and what is wrong with examples to search by.
        """
        return self._settled(
            lambda: self._pinned(
                question.where, Stages.begin(), lambda pinned, stages: Retrieval(pinned, question, stages).answer()
            )
        )

    def _settled(self, attempt: Callable[[], T | None]) -> T:
        """Return what an attempt comes to; None is what one comes to that has met rows newer than its view.

        Then it is made again on the current view, and a third time where that cannot happen.
        """
        for _ in range(2):
            made = self._tried(attempt)
            if made is not None:
                return made
            self.refresh()
        return self._alone(lambda: self._tried(attempt))

    def _tried(self, attempt: Callable[[], T | None]) -> T | None:
        try:
            return attempt()
        except UnreadableRows as error:
            self._leave_out(sorted(error.slots))
            return None

    def _pinned(self, where: Where | None, stages: Stages, work: Callable[[Pinned, Stages], T | None]) -> T | None:
        """Return what `work` makes of a view and of rows at its position, None when there was a write between."""
        if where is not None:
            self.view_with_columns()
        with self.reading() as rows:
            view = self._view  # taken after the rows, or nearly every search would meet newer ones than its own
            newer = rows.state().position != view.state.position
            if newer or (where is not None and view.columns is None):
                return None
            searched, filtering = (view.live, None) if where is None else filtered(view, rows, where)
            stages.done("view" if where is None else "filter")
            return work(Pinned(view, rows, self._planner_of(view), searched, filtering), stages)

    def _scope(self, search: Search, where: Where | None, stages: Stages) -> Scope | None:
        """Return what a search looks at, or None when there was a write while the filter was evaluated."""
        view = self._view
        if where is None:
            return Scope(view, within(view, search.allowed))
        known = known_slots(view, where)
        if known is None:
            return self._pinned(where, stages, lambda pinned, _: Scope(pinned.view, pinned.searched, pinned.filtering))
        stages.done("filter")
        return Scope(view, known, filtering(view, known, cached=True))

    def _answers(self, search: Search, where: Where | None, stages: Stages) -> list[Answer] | None:
        """Answer from one view, or return None when a row of a hit has changed since. Raises `UnreadableRows`."""
        scope = self._scope(search, where, stages)
        if scope is None:
            return None
        view, searched, planner = scope.view, scope.searched, self._planner_of(scope.view)
        extent = extent_of(view, searched)
        chosen = planner.plan(search.asked, extent)
        stages.done("plan")
        if view.index is None or view.vectors is None:
            first = nothing(search)
        else:
            first = view.index.search(search.queries, search.asked.k, view.vectors, searched, chosen.route)
        found = vouched(view, search, searched, chosen, first)
        stages.done("index")
        slots = set(found.neighbours.slots.ravel().tolist()) - {-1}
        rows, position = self._rows.at(slots), view.state.position
        if len(rows) < len(slots) or any(row.changed > position for row in rows.values()):
            return None
        stages.done("rows")
        if self.live_recall.picks(len(search.queries)):
            self.live_recall.take(view, search, searched, found)
        told = explanation(planner, search, extent, found, stages) if search.explain else None
        return assembled(view, found, rows, told and replace(told, filter=scope.filtering))

    def _planner_of(self, view: View) -> Planner:
        planner = self._planner
        if planner.curve is view.curve:
            return planner
        planner = Planner(view.curve)
        if view is self._view:
            self._planner = planner
            self.live_recall.forget()  # what was compared so far speaks of the curve before
        return planner

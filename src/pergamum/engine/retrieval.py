"""One search that asks for more than the nearest: ranked, thinned, grouped, and told, all at one position."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from pergamum.domain.highlights import highlights
from pergamum.domain.keywords import KeywordQuery
from pergamum.domain.query import Answer, Explanation, Filtering, Group, Hit, HitDetails
from pergamum.domain.search_options import TITLE_WEIGHT, Mode, SearchOptions
from pergamum.domain.vectors import Vector
from pergamum.engine.answering import Stages, explanation, extent_of
from pergamum.engine.diversity import diverse
from pergamum.engine.examples import target
from pergamum.engine.fusion import Ranking, Slots
from pergamum.engine.grouping import first_places, groups_of
from pergamum.engine.planner import Planner
from pergamum.engine.sides import NOTHING, HybridSide, KeywordSide, Side, VectorSide, places
from pergamum.engine.view import View
from pergamum.engine.where import Where
from pergamum.errors import Damaged
from pergamum.index.mask import SlotMask
from pergamum.storage.base import Rows, StoredChunk

LEAST_POOL: Final = 50
POOL_TIMES: Final = 4
"""Diverse hits are chosen among so many times as many as are wanted, at least LEAST_POOL."""
LEAST_CANDIDATES: Final = 100
OWNERS_AT_ONCE: Final = 64


class UnreadableRows(Exception):
    """A row among these slots is damaged or missing. Never leaves the engine."""

    def __init__(self, slots: Iterable[int]) -> None:
        super().__init__()
        self.slots = set(slots)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """What one search asks, checked. `k`: hits to rank, or documents where they are grouped.

    `vector` (d,) is None where words alone or examples are searched by, `keywords` where there are no words.
    `with_documents`: the hits' documents are wanted, `with_vectors`: their vectors, `highlighted`: where words occur.
    """

    k: int
    recall: float
    options: SearchOptions
    vector: Vector | None = None
    keywords: KeywordQuery | None = None
    where: Where | None = None
    explain: bool = False
    with_documents: bool = False
    with_vectors: bool = False
    highlighted: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Pinned:
    """A view, and a read transaction at its position. `searched`: what is live and passes the filter."""

    view: View
    rows: Rows
    planner: Planner
    searched: SlotMask
    filtering: Filtering | None


@dataclass(frozen=True, slots=True, eq=False)
class _Chosen:
    """Slots and scores of the hits in their order, and how many of them belong to each document, if grouped."""

    slots: Sequence[int]
    scores: Sequence[float]
    groups: tuple[Group, ...] | None = None


class Retrieval:
    """One question put to one view. Threads: one."""

    def __init__(self, pinned: Pinned, question: Question, stages: Stages) -> None:
        self._pinned, self._question, self._stages = pinned, question, stages
        self._options, self._view, self._searched = question.options, pinned.view, pinned.searched
        self._near: VectorSide | None = None
        self._words: KeywordSide | None = None
        self._both: HybridSide | None = None

    def answer(self) -> Answer:
        """Return the answer. Raises `UnreadableRows`, and what is wrong with the examples."""
        try:
            return self._answer()
        finally:
            if self._words is not None:
                self._words.close()

    def _answer(self) -> Answer:
        side = self._side()
        chosen = self._best(side) if self._options.per_group is None else self._grouped(side)
        hits = self._hits(chosen)
        self._stages.done("rows")
        near = self._near
        return Answer(
            hits,
            exact=near is None or near.exact,
            expected_recall=1.0 if near is None else near.expected_recall,
            complete=not self._view.damaged,
            position=self._view.state.position,
            plan=self._plan,
            explanation=self._explanation() if self._question.explain else None,
            groups=chosen.groups,
            select=self._options.select,
            base64=self._options.base64,
        )

    # What is searched ----------------------------------------------------------------------------------------------

    def _side(self) -> Side:
        """Return what ranks; the examples, which are not to be found, are left out of what is searched."""
        vector, mode = self._question.vector, self._options.mode
        if self._options.like is not None:
            aim = target(self._view, self._pinned.rows, self._options.like)
            vector, self._searched = aim.vector, self._searched.without(aim.slots.tolist())
            self._stages.done("like")
        if vector is not None:
            self._near = self._vector_side(vector)
        if mode is Mode.VECTOR:
            assert self._near is not None, "a search by vector has one"
            return self._near
        keywords = self._question.keywords
        assert keywords is not None, "a search by words has some"
        hits = self._pinned.rows.keyword_hits(keywords, TITLE_WEIGHT)
        self._words = KeywordSide(hits, self._searched, self._view.state.next_slot, self._stages)
        if mode is Mode.KEYWORD:
            return self._words
        assert self._near is not None, "a hybrid search has a vector"
        candidates = self._options.candidates or max(LEAST_CANDIDATES, POOL_TIMES * self._question.k)
        self._both = HybridSide(self._near, self._words, self._options.fusion, candidates, self._stages)
        return self._both

    def _vector_side(self, vector: Vector) -> VectorSide:
        pinned, recall = self._pinned, self._question.recall
        return VectorSide(self._view, pinned.planner, vector[np.newaxis], recall, self._searched, self._stages)

    @property
    def _wanted(self) -> int:
        """How many hits, or documents, are chosen from."""
        k = self._question.k
        return max(LEAST_POOL, POOL_TIMES * k) if self._options.diversity else k

    def _best(self, side: Side) -> _Chosen:
        ranking = side.best(self._wanted).at_least(self._options.min_score).first(self._wanted)
        if self._options.diversity:
            order = self._diverse(ranking)
            return _Chosen(ranking.slots[order].tolist(), ranking.scores[order].tolist())
        ranking = ranking.first(self._question.k)
        return _Chosen(ranking.slots.tolist(), ranking.scores.tolist())

    def _diverse(self, ranking: Ranking) -> Slots:
        if self._view.vectors is None:
            return np.arange(len(ranking))
        vectors = self._view.vectors[ranking.slots]
        order = diverse(ranking.scores, vectors, self._question.k, self._options.diversity)
        self._stages.done("diversity")
        return order

    # Documents -----------------------------------------------------------------------------------------------------

    def _grouped(self, side: Side) -> _Chosen:
        """Return k documents, whenever there are so many, each with its best chunks."""
        most, minimum = self._options.per_group or 1, self._options.min_score
        wanted, owners = self._wanted, _Owners(self._pinned.rows)
        ranking, groups = NOTHING, dict[str, list[int]]()
        for found in side.deepening(wanted):
            ranking = found.at_least(minimum)
            groups = groups_of(owners.of(ranking.slots.tolist()), most)
            if len(groups) >= wanted or ranking.all:
                break
        self._stages.done("groups")
        documents = list(groups)[:wanted]
        if self._options.diversity:
            firsts = np.array(first_places(groups)[:wanted], np.int64)
            order = self._diverse(Ranking(ranking.slots[firsts], ranking.scores[firsts], all=True))
            documents = [documents[place] for place in order.tolist()]
        best = [(document, side.within(owners.slots[document], most).at_least(minimum)) for document in documents]
        self._stages.done("groups")
        if not self._options.diversity:  # an approximate search may have missed a document's best chunk
            best.sort(key=lambda each: (-each[1].scores[0], each[1].slots[0]))
        return _together(best)

    # What is told --------------------------------------------------------------------------------------------------

    def _hits(self, chosen: _Chosen) -> tuple[Hit, ...]:
        rows = rows_at(self._pinned.rows, chosen.slots)
        if len(rows) < len(chosen.slots):
            raise UnreadableRows(chosen.slots)
        details = self._details(chosen.slots, rows)
        far: dict[int, float] = {} if self._near is None else self._near.distances
        return tuple(
            Hit(rows[slot].chunk, score, far.get(slot), details.get(slot))
            for slot, score in zip(chosen.slots, chosen.scores, strict=True)
        )

    def _details(self, slots: Sequence[int], rows: dict[int, StoredChunk]) -> dict[int, HitDetails]:
        question = self._question
        if not (self._both or question.with_documents or question.with_vectors or question.highlighted):
            return {}
        near, words = ({}, {}) if self._both is None else map(places, self._both.parts)
        ids = dict.fromkeys(rows[slot].chunk.document_id for slot in slots)
        found = self._pinned.rows.documents_by_id(list(ids)) if question.with_documents else {}
        documents = {id: replace(document, text=None) for id, document in found.items()}  # nobody asks for whole texts
        made = {}
        for slot in slots:
            chunk = rows[slot].chunk
            vector_rank, vector_score = near.get(slot, (None, None))
            keyword_rank, keyword_score = words.get(slot, (None, None))
            made[slot] = HitDetails(
                hybrid=self._both is not None,
                vector_score=vector_score,
                keyword_score=keyword_score,
                vector_rank=vector_rank,
                keyword_rank=keyword_rank,
                highlights=self._highlights(chunk.text),
                document=documents.get(chunk.document_id),
                vector=self._view.vector(slot) if question.with_vectors else None,
            )
        return made

    def _highlights(self, text: str) -> tuple[tuple[int, int], ...] | None:
        keywords = self._question.keywords
        return None if keywords is None or not self._question.highlighted else tuple(highlights(text, keywords))

    @property
    def _plan(self) -> str:
        if self._options.mode is not Mode.VECTOR:
            return self._options.mode.value
        return self._near.searches[-1][1].plan.kind if self._near is not None and self._near.searches else "empty"

    def _explanation(self) -> Explanation:
        near, words, seconds = self._near, self._words, self._stages.seconds
        extent = extent_of(self._view, self._searched)
        if near is None or not near.searches:
            share = extent.selectivity
            told = Explanation(self._plan, 0, None, 1.0, (), 1, sum(seconds.values()), 0, 0, 0, share, share, seconds)
        else:
            search, found = near.searches[-1]
            told = explanation(self._pinned.planner, search, extent, found, self._stages)
            each = [found.neighbours for _, found in near.searches]
            told = replace(
                told,
                scored=sum(one.scored for one in each),
                verified=sum(one.verified for one in each),
                rescanned=sum(one.rescanned for one in each),
            )
        return replace(told, filter=self._pinned.filtering, keyword_hits=None if words is None else words.read)


class _Owners:
    """Which document a slot belongs to, and the slots of every document met. One row a document is read."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._known: dict[int, str] = {}
        self.slots: dict[str, Slots] = {}

    def of(self, slots: Sequence[int]) -> list[str]:
        """Return the id of the document of each slot."""
        unknown = [slot for slot in slots if slot not in self._known]
        while unknown:
            some = unknown[:OWNERS_AT_ONCE]
            for stored in rows_at(self._rows, some).values():
                self._meet(stored.chunk.document_id)
            if not all(slot in self._known for slot in some):
                raise UnreadableRows(some)
            unknown = [slot for slot in unknown if slot not in self._known]
        return [self._known[slot] for slot in slots]

    def _meet(self, document_id: str) -> None:
        if document_id not in self.slots:
            self.slots[document_id] = self._rows.slots_of(document_id)
            self._known.update(dict.fromkeys(self.slots[document_id].tolist(), document_id))


def rows_at(rows: Rows, slots: Sequence[int]) -> dict[int, StoredChunk]:
    """Return the chunks that hold these slots. Raises `UnreadableRows` when one of them is damaged."""
    try:
        return rows.chunks_at(slots)
    except Damaged:
        raise UnreadableRows(slots) from None


def _together(found: Sequence[tuple[str, Ranking]]) -> _Chosen:
    """Return the hits of all documents, one document after the other."""
    slots: list[int] = []
    scores: list[float] = []
    groups = []
    for document_id, ranking in found:
        groups.append(Group(document_id, len(slots), len(slots) + len(ranking)))
        slots += ranking.slots.tolist()
        scores += ranking.scores.tolist()
    return _Chosen(slots, scores, tuple(groups))

"""What a search must answer, in plain Python: every chunk looked at, every rule word for word.

Only two things are taken from the server's code: the reference distance, which is what "exact" means, and the scores of
keyword search, which have an oracle of their own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from pergamum.domain.vectors import Metric
from pergamum.index.distance import Doubles, distances

Ranked: TypeAlias = list[tuple[int, float]]
"""(slot, score), the best first."""
Ask: TypeAlias = Mapping[str, Any]
"""A search as JSON."""


@dataclass(frozen=True)
class Record:
    """A chunk with what can be asked of it."""

    id: str
    document: str
    slot: int
    vector: list[float]
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Oracle:
    """`words` gives the keyword ranking of all chunks for a text."""

    metric: Metric
    records: Mapping[int, Record]
    words: Callable[[str], Ranked]
    filters: Mapping[str, Callable[[Record], bool]] = field(default_factory=dict)

    def ranked(self, ask: Ask, allowed: str | None) -> tuple[Ranked, Ranked]:
        """Return what the search ranks, and the pool that diverse hits are chosen from, by falling score.

        `allowed` names the filter. The pool is that of documents' best chunks where they are grouped.
        """
        found = self._searched(ask, allowed)
        k = ask.get("k", 10)
        wanted = max(50, 4 * k) if ask.get("diversity") else k
        grouped = ask.get("group_by") is not None
        if ask.get("mode") != "hybrid":
            everything = self._by_vector(ask, found) if ask.get("mode") != "keyword" else self._by_words(ask, found)
            everything = _at_least(everything, ask)
        else:
            everything = self._fused(ask, found, wanted, grouped=grouped)
        pool = list(self.groups(everything, 1).values()) if grouped else [[hit] for hit in everything]
        return everything, [hits[0] for hits in pool[:wanted]]

    def groups(self, ranked: Ranked, most: int) -> dict[str, Ranked]:
        """Return the best `most` chunks of each document, documents by their best."""
        groups: dict[str, Ranked] = {}
        for slot, score in ranked:
            groups.setdefault(self.records[slot].document, []).append((slot, score))
        return {document: hits[:most] for document, hits in groups.items()}

    def aim(self, ask: Ask) -> list[float]:
        """Return the vector that is searched for."""
        like = ask.get("like")
        if like is None:
            return list(ask["vector"])
        liked, unliked = (self._mean(like, prefix) for prefix in ("", "not_"))
        assert liked is not None
        aim = liked if unliked is None else liked + (liked - unliked)
        return [float(number) for number in (aim / np.linalg.norm(aim) if self.metric is Metric.COSINE else aim)]

    def distance(self, ask: Ask, slot: int) -> float:
        """Return how far the chunk is from the vector that is searched for."""
        query = np.array(self.aim(ask), np.float32)
        return float(distances(self.metric, query, np.array([self.records[slot].vector], np.float32))[0])

    def _mean(self, like: Mapping[str, Sequence[str]], prefix: str) -> Doubles | None:
        chunks, documents = set(like.get(f"{prefix}chunks", ())), set(like.get(f"{prefix}documents", ()))
        examples = [[record for record in self.records.values() if record.id == id] for id in chunks]
        examples += [[record for record in self.records.values() if record.document == id] for id in documents]
        means = []
        for records in examples:
            vectors = [np.array(record.vector) for record in records]
            if self.metric is Metric.COSINE:
                vectors = [vector / np.linalg.norm(vector) for vector in vectors]
            means.append(sum(vectors) / len(vectors))
        return np.array(sum(means) / len(means)) if means else None

    def _searched(self, ask: Ask, allowed: str | None) -> list[Record]:
        like: Mapping[str, Sequence[str]] = ask.get("like") or {}
        chunks = {*like.get("chunks", ()), *like.get("not_chunks", ())}
        documents = {*like.get("documents", ()), *like.get("not_documents", ())}
        return [
            record
            for record in self.records.values()
            if record.id not in chunks
            and record.document not in documents
            and (allowed is None or self.filters[allowed](record))
        ]

    def _by_vector(self, ask: Ask, found: Sequence[Record]) -> Ranked:
        near = sorted((self.distance(ask, record.slot), record.slot) for record in found)
        scores = self.metric.scores(np.array([distance for distance, _ in near])).tolist()
        return [(slot, score) for (_, slot), score in zip(near, scores, strict=True)]

    def _by_words(self, ask: Ask, found: Sequence[Record]) -> Ranked:
        slots = {record.slot for record in found}
        return [(slot, score) for slot, score in self.words(ask["text"]) if slot in slots]

    def _fused(self, ask: Ask, found: Sequence[Record], wanted: int, *, grouped: bool) -> Ranked:
        """Fuse the candidates, twice as many as long as they do not hold enough hits, or documents."""
        near, words = self._by_vector(ask, found), self._by_words(ask, found)
        candidates = ask.get("candidates") or max(100, 4 * ask.get("k", 10))
        while True:
            fused = _fusion(ask.get("fusion") or {"kind": "rrf"}, near[:candidates], words[:candidates])
            passing = _at_least(fused, ask)
            whole = len(near) <= candidates and len(words) <= candidates
            done = whole or (grouped and len(passing) < len(fused) >= wanted)
            enough = len(self.groups(passing, 1)) if grouped else len(fused)
            if done or (enough >= wanted and len(fused) >= wanted):
                return passing
            candidates *= 2


def _at_least(ranked: Ranked, ask: Ask) -> Ranked:
    least = ask.get("min_score")
    return ranked if least is None else [(slot, score) for slot, score in ranked if score >= least]


def _fusion(fusion: Mapping[str, Any], near: Ranked, words: Ranked) -> Ranked:
    totals: dict[int, float] = {}
    weights = fusion.get("weights", [1.0, 1.0]) if fusion["kind"] == "rrf" else [fusion["alpha"], 1 - fusion["alpha"]]
    for weight, side in zip(weights, (near, words), strict=True):
        scores = [score for _, score in side]
        for rank, (slot, score) in enumerate(side, 1):
            if fusion["kind"] == "rrf":
                part = weight / (fusion.get("k", 60) + rank)
            else:
                low, high = min(scores) / 2, max(scores) / 2
                part = weight * (1.0 if low == high else (score / 2 - low) / (high - low))
            totals[slot] = totals.get(slot, 0.0) + part
    return sorted(totals.items(), key=lambda each: (-each[1], each[0]))


def assert_diverse(chosen: Sequence[int], pool: Ranked, vectors: Mapping[int, Sequence[float]], ask: Ask) -> None:
    """Check that each hit has the greatest marginal relevance of all that were left, as the paper has it."""
    scores, diversity = dict(pool), float(ask["diversity"])
    low, high = min(scores.values(), default=0.0), max(scores.values(), default=0.0)
    assert list(chosen[:1]) == [slot for slot, _ in pool[:1]]
    assert len(chosen) == min(ask["k"], len(pool))

    def worth(slot: int, before: Sequence[int]) -> float:
        relevance: float = 1.0 if low == high else (scores[slot] - low) / (high - low)
        return (1 - diversity) * relevance - diversity * max(_cosine(vectors[slot], vectors[one]) for one in before)

    for at in range(1, len(chosen)):
        left = scores.keys() - set(chosen[:at])
        assert chosen[at] in left
        assert worth(chosen[at], chosen[:at]) >= max(worth(slot, chosen[:at]) for slot in left) - 1e-9


def _cosine(left: Sequence[float], right: Sequence[float]) -> float:
    lengths = float(np.linalg.norm(left) * np.linalg.norm(right))
    return sum(a * b for a, b in zip(left, right, strict=True)) / lengths if lengths else 0.0

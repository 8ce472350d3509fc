"""Puts the first hits of an answer in the order in which a reranker finds them relevant."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from pergamum.domain.query import Answer, Group, Hit, HitDetails
from pergamum.rerank.base import Reranker
from pergamum.services.composer import embedded_text


class RerankerSource(Protocol):
    """Gives rerankers by name."""

    def get(self, provider: str, model: str | None = None) -> Reranker:
        """Return the reranker. Raises `UnknownReranker`, `RerankFailed`."""


def reranked(answer: Answer, reranker: Reranker, text: str, top: int) -> Answer:
    """Return the answer with its first `top` hits by falling relevance, the others behind them as they were.

    Documents, where hits are grouped, come in the order of their most relevant hits. Raises `RerankFailed`.
    """
    started = time.perf_counter()
    worth = dict(enumerate(reranker.rerank(text, [_text(hit) for hit in answer.hits[:top]])))
    answer = _timed(answer, time.perf_counter() - started)
    hits = [_told(hit, worth.get(place)) for place, hit in enumerate(answer.hits)]
    if answer.groups is None:
        return replace(answer, hits=tuple(hits[place] for place in _ordered(range(len(hits)), worth)))
    return _grouped(replace(answer, hits=tuple(hits)), answer.groups, worth)


def _timed(answer: Answer, seconds: float) -> Answer:
    """Return the answer with what judging took in its explanation."""
    told = answer.explanation
    if told is None:
        return answer
    told = replace(told, seconds=told.seconds + seconds, stages={**told.stages, "rerank": seconds})
    return replace(answer, explanation=told)


def _grouped(answer: Answer, groups: tuple[Group, ...], worth: Mapping[int, float]) -> Answer:
    ordered = [(group, _ordered(range(group.first, group.end), worth)) for group in groups]
    ordered.sort(key=lambda each: _key(each[1][0], worth))
    hits: list[Hit] = []
    moved = []
    for group, places in ordered:
        moved.append(Group(group.document_id, len(hits), len(hits) + len(places)))
        hits += [answer.hits[place] for place in places]
    return replace(answer, hits=tuple(hits), groups=tuple(moved))


def _ordered(places: range, worth: Mapping[int, float]) -> list[int]:
    return sorted(places, key=lambda place: _key(place, worth))


def _key(place: int, worth: Mapping[int, float]) -> tuple[bool, float, int]:
    """Return what sorts judged hits by falling relevance before all others, ties as they were."""
    return place not in worth, -worth.get(place, 0.0), place


def _text(hit: Hit) -> str:
    document = None if hit.details is None else hit.details.document
    return embedded_text(None if document is None else document.title, hit.chunk.text)


def _told(hit: Hit, relevance: float | None) -> Hit:
    return hit._replace(details=replace(hit.details or HitDetails(), relevance=relevance))

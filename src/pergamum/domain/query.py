"""What a search asks and what it answers."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from pergamum.domain.chunk import Chunk

Recall: TypeAlias = float | Literal["exact"]
"""The share of the true neighbours wanted, above 0 and at most 1, or `exact`."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found. `score` grows with similarity, `distance` shrinks with it."""

    chunk: Chunk
    score: float
    distance: float


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits of one query, nearest first, and what the answer is worth.

    `exact`: these are the true nearest. `expected_recall`: the share of the true nearest expected among them.
    `complete`: there are k hits, or all that exist; false when damaged chunks had to be left out.
    `position`: of every part of the answer, texts included. `plan`: how it was found.
    """

    hits: tuple[Hit, ...]
    exact: bool
    expected_recall: float
    complete: bool
    position: int
    plan: str

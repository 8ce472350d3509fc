"""What a search asks and what it answers."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from pergamum.domain.chunk import Chunk

Recall: TypeAlias = float | Literal["exact"]
"""The share of the true neighbours wanted, above 0 and at most 1, or `exact`."""


def wanted_share(recall: Recall | None, default: float) -> float:
    """Return the share of the true neighbours that is wanted; 1 asks for exactly those."""
    if recall is None:
        return default
    return 1.0 if recall == "exact" else recall


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found. `score` grows with similarity, `distance` shrinks with it."""

    chunk: Chunk
    score: float
    distance: float


@dataclass(frozen=True, slots=True)
class Refused:
    """A plan that was not chosen, and why. What nothing is known of is None."""

    strategy: str
    effort: int
    predicted_seconds: float | None
    expected_recall: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """How an answer came about: what was predicted, what it was.

    Seconds, `scored` (codes compared), `verified` (vectors read) and `rescanned` (queries answered again, or by a scan,
    because the index could not vouch for its answer) are those of all `queries` that were answered together.
    `stages` says where the seconds went.
    """

    strategy: str
    effort: int
    predicted_seconds: float
    expected_recall: float
    refused: tuple[Refused, ...]
    queries: int
    seconds: float
    scored: int
    verified: int
    rescanned: int
    predicted_selectivity: float
    selectivity: float
    stages: dict[str, float]


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits of one query, nearest first, and what the answer is worth.

    `exact`: these are the true nearest. `expected_recall`: the share of the true nearest expected among them.
    `complete`: there are k hits, or all that exist; false when damaged chunks had to be left out.
    `position`: of every part of the answer, texts included. `plan`: how it was found. `explanation`: only if asked.
    """

    hits: tuple[Hit, ...]
    exact: bool
    expected_recall: float
    complete: bool
    position: int
    plan: str
    explanation: Explanation | None = None

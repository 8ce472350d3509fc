"""What a search asks and what it answers."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from pergamum.domain.chunk import Chunk
from pergamum.domain.document import Document
from pergamum.domain.vectors import Vector

Recall: TypeAlias = float | Literal["exact"]
"""The share of the true neighbours wanted, above 0 and at most 1, or `exact`."""


def wanted_share(recall: Recall | None, default: float) -> float:
    """Return the share of the true neighbours that is wanted; 1 asks for exactly those."""
    if recall is None:
        return default
    return 1.0 if recall == "exact" else recall


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HitDetails:
    """What a search by words, or one that asks for more, knows of a hit.

    The scores and ranks (from 1) are those of the two sides of a `hybrid` search, None where a side did not find it
    among its candidates. `relevance` is that of a reranker. The rest is there where it was asked for.
    """

    hybrid: bool = False
    vector_score: float | None = None
    keyword_score: float | None = None
    vector_rank: int | None = None
    keyword_rank: int | None = None
    relevance: float | None = None
    highlights: tuple[tuple[int, int], ...] | None = None
    document: Document | None = None
    vector: Vector | None = None


class Hit(NamedTuple):
    """A chunk that was found. `score` grows with similarity, `distance` shrinks with it.

    `distance` is None where no vector found the chunk. A tuple, because it takes a third less time to make.
    """

    chunk: Chunk
    score: float
    distance: float | None
    details: HitDetails | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A plan that was not chosen, and why. What nothing is known of is None."""

    strategy: str
    effort: int
    predicted_seconds: float | None
    expected_recall: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Filtering:
    """What a filter left: the share of live chunks, and whether that was known before."""

    selectivity: float
    cached: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """How an answer came about: what was predicted, what it was.

    Seconds, `scored` (codes compared), `verified` (vectors read) and `rescanned` (queries answered again, or by a scan,
    because the index could not vouch for its answer) are those of all `queries` that were answered together.
    `predicted_seconds` is None where nobody can tell. `keyword_hits`: how many chunks with the words were looked at,
    None where no words were looked for. `stages` says where the seconds went.
    """

    strategy: str
    effort: int
    predicted_seconds: float | None
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
    filter: Filtering | None = None
    keyword_hits: int | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A document that was found: the places of its chunks among the hits of the answer."""

    document_id: str
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits of one query, best first, and what the answer is worth.

    `exact`: these are the true nearest. `expected_recall`: the share of the true nearest expected among them. Both
    speak of the vectors: words are always searched exactly.
    `complete`: there are k hits, or all that exist; false when damaged chunks had to be left out.
    `position`: of every part of the answer, texts included. `plan`: how it was found. `explanation`: only if asked.
    `groups`: the hits by document, where that was asked. `select`: the fields of hits that were asked for, `base64`:
    how vectors are written. `paged`: further hits were asked for; `next_page` says where they are, if there are any.
    """

    hits: tuple[Hit, ...]
    exact: bool
    expected_recall: float
    complete: bool
    position: int
    plan: str
    explanation: Explanation | None = None
    groups: tuple[Group, ...] | None = None
    select: tuple[str, ...] | None = None
    base64: bool = False
    paged: bool = False
    next_page: str | None = None

"""What a search may ask beyond its k nearest: other ways to find, to fuse, to choose and to show."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

DEFAULT_TOP: Final = 100
TITLE_WEIGHT: Final = 2.0
"""How many times a word of a document's title counts in its chunks."""


class Mode(StrEnum):
    """By what chunks are found: nearness of vectors, words in common, or both."""

    VECTOR = "vector"
    KEYWORD = "keyword"
    HYBRID = "hybrid"


@dataclass(frozen=True, slots=True)
class ByRank:
    """Reciprocal rank fusion: the score of a chunk is the sum of weight / (k + rank) over the sides that found it.

    Source: Cormack, Clarke & Buettcher, SIGIR 2009. Ranks count from 1. REQUIRES: k at least 1, no weight below 0.
    """

    k: float = 60.0
    vector_weight: float = 1.0
    keyword_weight: float = 1.0


@dataclass(frozen=True, slots=True)
class ByScore:
    """Scores of each side stretched to [0, 1] over its candidates; `alpha` is the weight of the vector side."""

    alpha: float = 0.5


Fusion: TypeAlias = ByRank | ByScore
DEFAULT_FUSION: Final[Fusion] = ByRank()


@dataclass(frozen=True, slots=True)
class Examples:
    """Stored chunks and documents that the hits are to be like, or unlike. REQUIRES: at least one to be like."""

    chunks: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    not_chunks: tuple[str, ...] = ()
    not_documents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reranking:
    """The first `top` hits are put in the order in which a provider finds them relevant to the text."""

    provider: str
    top: int = DEFAULT_TOP
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SearchOptions:
    """Of one search. Invariant: what `wire/search.py` refuses to combine is not combined.

    `candidates`: how many hits of each side are fused. `per_group`: k documents are wanted,
    each with so many of its best chunks. `diversity`: 0 (off) to 1. `min_score`: the least score of a hit, in the
    mode's own scores. `page`: further hits are wanted, k at a time; `cursor` asks for those. `select`: the fields of
    hits that are wanted, `base64`: how vectors are written.
    """

    mode: Mode = Mode.VECTOR
    like: Examples | None = None
    fusion: Fusion = DEFAULT_FUSION
    candidates: int | None = None
    per_group: int | None = None
    diversity: float = 0.0
    min_score: float | None = None
    page: bool = False
    cursor: str | None = None
    select: tuple[str, ...] | None = None
    base64: bool = False
    rerank: Reranking | None = None


PLAIN: Final = SearchOptions()
"""Nothing is asked but the nearest."""

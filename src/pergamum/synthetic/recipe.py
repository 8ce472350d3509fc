"""What a synthetic library is made from, and the random numbers that follow from it."""

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

MOST_DIMENSIONS: Final = 8_192
MOST_CLUSTERS: Final = 10_000
MOST_CHUNKS_PER_DOCUMENT: Final = 1_000.0
CHUNKS_PER_BLOCK: Final = 1_024


class Stream(IntEnum):
    """What random numbers are for: each has its own, so that a change of one leaves the others as they were."""

    CENTRES = 0
    SHAPES = 1
    VECTORS = 2
    WORDS = 3
    METADATA = 4
    QUERIES = 5


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a synthetic library is made from; the package says what the fields mean. Raises ValueError out of range."""

    seed: int = 0
    dimension: int = 256
    clusters: int = 100
    spread: float = 0.5
    skew: float = 1.0
    chunks_per_document: float = 4.0
    missing: float = 0.1
    normalised: bool = True
    vectors: bool = True

    def __post_init__(self) -> None:
        _within("seed", self.seed, 0, 2**63 - 1)
        _within("dimension", self.dimension, 1, MOST_DIMENSIONS)
        _within("clusters", self.clusters, 1, MOST_CLUSTERS)
        _within("spread", self.spread, 0, 1e6)
        _within("skew", self.skew, 0, 10)
        _within("chunks_per_document", self.chunks_per_document, 1, MOST_CHUNKS_PER_DOCUMENT)
        _within("missing", self.missing, 0, 1)

    @property
    def documents_per_block(self) -> int:
        """How many documents are made at once: some thousand chunks."""
        return max(1, CHUNKS_PER_BLOCK // math.ceil(self.chunks_per_document))

    def chance(self, stream: Stream, block: int = 0) -> np.random.Generator:
        """Return the random numbers of one purpose in one block; always the same."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(stream, block)))


def _within(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:  # NaN is nowhere
        raise ValueError(f"{name} is {value}; it must be {least:,} to {most:,}")

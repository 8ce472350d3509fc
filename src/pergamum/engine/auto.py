"""What `auto` chooses: exact search as long as it is quick, a graph once it is clearly slower.

Two prices are compared, both of one query on one core:

    scan     live chunks * dimension / bytes scanned in a second
    graph    codes a search compares * (one cache miss + dimension / bytes scored in a second at random places)

A graph costs a build and memory, so it has to be some times quicker before it is worth one. Going back waits
for half of the chunks at which it was, so that a library at the border does not build again and again.
"""

from dataclasses import dataclass
from functools import cache
from math import log2

from pergamum.domain.library import IndexKind
from pergamum.engine.planner import SCAN_BYTES_PER_SECOND

MISS_SECONDS = 60e-9
"""Fetching a vector's codes from wherever they are in memory."""
RANDOM_BYTES_PER_SECOND = 8e9
"""8-bit codes one core compares in a second when each vector lies elsewhere."""
FIRST_CODES, CODES_A_DOUBLING = 400.0, 60.0
"""Codes compared by a graph search at recall 0.95: so many, and so many more whenever the library doubles."""


@dataclass(frozen=True, slots=True)
class Rule:
    """When a graph is worth its build: at least `floor` chunks, and exact search `times` slower than the graph."""

    floor: int = 10_000
    times: float = 3.0


@dataclass(frozen=True, slots=True)
class Decision:
    """What `auto` chose and why. Predicted seconds are those of one query on one core.

    From `graph_from` live chunks on a graph is built; below `exact_below` the library goes back to exact search.
    """

    kind: IndexKind
    reason: str
    live_chunks: int
    scan_seconds: float
    graph_seconds: float
    graph_from: int
    exact_below: int


def decide(live: int, dimension: int, active: IndexKind, rule: Rule) -> Decision:
    """Return the kind for a library of `live` chunks in which `active` answers searches now. Pure; O(log live)."""
    first = graph_from(dimension, rule)
    back = first // 2
    kind = IndexKind.HNSW if live >= (back if active is IndexKind.HNSW else first) and live else IndexKind.BRUTE_FORCE
    scan, graph = scan_seconds(live, dimension), graph_seconds(live, dimension)
    return Decision(kind, _reason(live, kind, active, (back, first)), live, scan, graph, first, back)


def scan_seconds(live: int, dimension: int) -> float:
    """Return what exact search is predicted to take."""
    return live * dimension / SCAN_BYTES_PER_SECOND


def graph_seconds(live: int, dimension: int) -> float:
    """Return what a graph search is predicted to take."""
    codes = FIRST_CODES + CODES_A_DOUBLING * log2(max(live, 2))
    return min(codes, max(live, 1)) * (MISS_SECONDS + dimension / RANDOM_BYTES_PER_SECOND)


@cache
def graph_from(dimension: int, rule: Rule) -> int:
    """Return the least number of live chunks from which on a graph is worth its build."""
    high = max(rule.floor, 1)
    while not _worth(high, dimension, rule):
        high *= 2
    low = max(rule.floor, high // 2)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _worth(middle, dimension, rule) else (middle + 1, high)
    return high


def _worth(live: int, dimension: int, rule: Rule) -> bool:
    return scan_seconds(live, dimension) >= rule.times * graph_seconds(live, dimension)


def _reason(live: int, kind: IndexKind, active: IndexKind, border: tuple[int, int]) -> str:
    back, first = border
    if kind is IndexKind.HNSW and live >= first:
        return f"{live} live chunks: from {first} on a graph is worth its build"
    if kind is IndexKind.HNSW:
        return f"{live} live chunks: fewer than {first}, but the graph is there and stays until they are below {back}"
    if active is IndexKind.HNSW:
        return f"{live} live chunks: below {back} exact search is quick again"
    return f"{live} live chunks: exact search is quick enough below {first}"

"""Indexes of every built kind over made-up vectors, for tests."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pergamum.domain.json import JsonObject
from pergamum.domain.library import IndexKind, IndexSpec
from pergamum.domain.vectors import Matrix, Metric
from pergamum.index import distance, factory
from pergamum.index.base import BuiltIndex, Job, Neighbours, Route, Strategy
from pergamum.index.hnsw.index import HnswIndex
from pergamum.index.hnsw.params import HnswParams
from pergamum.index.mask import SlotMask
from tests.support.lsh import clustered, quiet

ALL = SlotMask()
GRAPH, FILTERED = Strategy.GRAPH, Strategy.FILTERED_GRAPH
KINDS_AND_METRICS = [
    (kind, metric)
    for kind in ("kd_tree", "lsh", "hnsw", "hnsw compact", "ivf")
    for metric in Metric
    if (kind, metric) != ("kd_tree", Metric.DOT)
]
EVERYTHING = 2**30
"""An effort that leaves nothing out, for a strategy that takes any."""

__all__ = ["clustered", "quiet"]


def build(
    kind: str, vectors: Matrix, metric: Metric, live: SlotMask = ALL, job: Job | None = None, **params: int
) -> BuiltIndex:
    """An index of a kind, or of a kind and its layout, as in `hnsw compact`."""
    name, _, layout = kind.partition(" ")
    chosen: JsonObject = {**params, **({"layout": layout} if layout else {})}
    return factory.build(IndexSpec(IndexKind(name), chosen), metric, vectors, live, job or quiet())


def loaded(kind: str, folder: Path) -> BuiltIndex:
    return factory.load_built(kind.partition(" ")[0], folder)


def graph(
    vectors: Matrix,
    metric: Metric = Metric.L2,
    live: SlotMask = ALL,
    threads: int = 1,
    params: Mapping[str, object] | None = None,
) -> HnswIndex:
    """A compact graph, unless `params` say otherwise."""
    return HnswIndex.build(
        vectors, metric, live, HnswParams.of({"layout": "compact", **(params or {})}), quiet(threads)
    )


def walked(
    index: HnswIndex, queries: Matrix, vectors: Matrix, effort: int, allowed: SlotMask = ALL, k: int = 10
) -> Neighbours:
    return index.search(queries, k, vectors, allowed, Route(GRAPH, effort))


def widest(index: BuiltIndex, strategy: Strategy, slots: int, k: int) -> Route:
    """The route of `strategy` that tries as hard as makes sense for a few slots."""
    if Route(strategy).exact:
        return Route(strategy)
    return Route(strategy, max(slots, k, index.efforts(strategy, k)[-1]))


def dead(flags: npt.NDArray[np.bool_]) -> SlotMask:
    """The mask of all slots but those flagged."""
    return ALL.without(np.flatnonzero(flags).tolist())


def some_dead(count: int, share: float, seed: int = 0) -> SlotMask:
    return dead(np.random.default_rng(seed).random(count) < share)


def recall(found: Neighbours, true: Neighbours) -> float:
    """The share of true neighbours for which one as near was found."""
    there = np.isfinite(true.distances)
    last = np.where(there, true.distances, -np.inf).max(axis=1, keepdims=True)
    return float(((found.distances <= last) & there).sum() / there.sum()) if there.any() else 1.0


def truth(metric: Metric, queries: Matrix, k: int, vectors: Matrix, allowed: SlotMask) -> Neighbours:
    """The k nearest allowed slots, by sorting all: quick, for thousands of vectors."""
    slots = np.flatnonzero(allowed.flags(len(vectors)))
    found, near = np.full((len(queries), k), -1), np.full((len(queries), k), np.inf)
    for row, query in enumerate(queries):
        each = distance.distances(metric, query, vectors[slots])
        order = np.lexsort((slots, each))[:k]
        found[row, : len(order)], near[row, : len(order)] = slots[order], each[order]
    return Neighbours(found, near)


def assert_lawful(
    found: Neighbours, metric: Metric, queries: Matrix, k: int, vectors: Matrix, allowed: SlotMask
) -> None:
    """What every answer of every strategy keeps: allowed slots, true distances, order, no repetition, k hits."""
    flags = allowed.flags(len(vectors))
    many = min(k, int(flags.sum()))
    assert found.slots.shape == found.distances.shape == (len(queries), k)
    for query, slots, distances in zip(queries, found.slots, found.distances, strict=True):
        hits = slots[:many]
        assert (hits >= 0).all()
        assert flags[hits].all()
        assert len(set(hits.tolist())) == many
        assert distance.distances(metric, query, vectors[hits]).tobytes() == distances[:many].tobytes()
        assert list(zip(distances[:many], hits, strict=True)) == sorted(zip(distances[:many], hits, strict=True))
        assert (slots[many:] == -1).all()
        assert np.isposinf(distances[many:]).all()


def assert_same_graph(one: HnswIndex, other: HnswIndex) -> None:
    """Equal codes, links, levels, blocks and entry."""
    assert one.entry == other.entry
    for part, same in zip((*one.rows, *one.graph, *one.wide), (*other.rows, *other.graph, *other.wide), strict=True):
        np.testing.assert_array_equal(part, same)

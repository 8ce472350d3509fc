"""Searching a view as a library does, but for the texts of the hits; and real vectors to search for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pergamum.domain.query import Recall, wanted_share
from pergamum.domain.recall import shares_found
from pergamum.domain.vectors import Matrix, Metric
from pergamum.engine.answering import Found, Search, extent_of, vouched, within
from pergamum.engine.calibration import calibrate
from pergamum.engine.planner import Asked, Planner
from pergamum.engine.view import View
from pergamum.index.layered import LayeredIndex
from pergamum.index.mask import SlotMask
from pergamum.storage.base import LibraryState
from tests.support.built import build
from tests.support.fake_index import JOB
from tests.support.library import a_library


@dataclass(frozen=True, slots=True)
class Vectors:
    """A base to search, more of its kind to insert, queries, and their true neighbours where the base is whole."""

    base: Matrix
    more: Matrix
    queries: Matrix
    distances: npt.NDArray[np.float32]


def load(folder: Path, name: str, count: int | None = None) -> Vectors:
    """Return the first `count` vectors, all unless given, 30 % of them apart as what is inserted later."""
    with np.load(folder / f"{name}.npz") as given:
        base, queries = given["base"].astype(np.float32), given["queries"].astype(np.float32)
        distances = given["distances"]
    count = len(base) if count is None else count
    return Vectors(np.ascontiguousarray(base[:count]), base[count : count * 13 // 10], queries, distances)


def built_view(kind: str, vectors: Matrix, metric: Metric = Metric.COSINE, past: Matrix | None = None) -> View:
    """Return a library's view over all vectors, its index built and measured."""
    index = LayeredIndex.empty(vectors.shape[1], metric).extended(vectors)
    index = index.with_built(build(kind, vectors, metric, job=JOB), vectors)
    curve = calibrate(index, vectors, SlotMask(), live_queries=past, job=JOB)
    return replace(view_of(index, vectors, metric), curve=curve)


def view_of(index: LayeredIndex, vectors: Matrix, metric: Metric) -> View:
    """Return a library's view over all vectors; nothing was measured."""
    return View(_state(vectors, metric), index=index, vectors=vectors)


def without(view: View, share: float, seed: int = 0) -> View:
    """Return the view after that share of slots was deleted, by chance."""
    dead = np.flatnonzero(np.random.default_rng(seed).random(view.state.next_slot) < share)
    return replace(view, live=view.live.without(dead.tolist()))


def grown(view: View, more: Matrix) -> View:
    """Return the view after the vectors were inserted; they form the tail."""
    assert view.index is not None
    assert view.vectors is not None
    vectors = np.concatenate([view.vectors, more])
    metric = view.state.library.metric
    return replace(view, state=_state(vectors, metric), index=view.index.extended(more), vectors=vectors)


def search(view: View, queries: Matrix, k: int, recall: Recall, allowed: SlotMask | None = None) -> Found:
    """Return what the library answers."""
    assert view.index is not None
    assert view.vectors is not None
    wanted = Search(queries, Asked(k, wanted_share(recall, 0.95), len(queries)), allowed)
    searched = within(view, allowed)
    plan = Planner(view.curve).plan(wanted.asked, extent_of(view, searched))
    first = view.index.search(queries, k, view.vectors, searched, plan.route)
    return vouched(view, wanted, searched, plan, first)


def recall_of(view: View, queries: Matrix, found: Found, allowed: SlotMask | None = None) -> float:
    """Return the mean share of the true neighbours that was found."""
    assert view.index is not None
    assert view.vectors is not None
    k = found.neighbours.distances.shape[1]
    truth = view.index.search(queries, k, view.vectors, within(view, allowed))
    return float(shares_found(found.neighbours.distances, truth.distances).mean())


def random_directions(count: int, dimension: int, seed: int = 0) -> Matrix:
    """Return queries unlike any data."""
    return np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)


def masks_by_distance(view: View, query: Matrix, share: float) -> tuple[SlotMask, SlotMask]:
    """Return the share of slots nearest to the query, (1, d), and the share farthest from it."""
    assert view.vectors is not None
    units = view.vectors / np.linalg.norm(view.vectors, axis=1, keepdims=True)
    order = np.argsort(-(units @ query[0]))
    flags = np.zeros((2, len(order)), np.bool_)
    many = int(share * len(order))
    flags[0, order[:many]], flags[1, order[len(order) - many :]] = True, True
    return SlotMask.of(flags[0]), SlotMask.of(flags[1])


def random_mask(slots: int, share: float, seed: int = 0) -> SlotMask:
    """Return a filter that leaves that share of the slots."""
    return SlotMask.of(np.random.default_rng(seed).random(slots) < share)


def found_slots(found: Found) -> Sequence[int]:
    """Return how many hits each query has."""
    counted: list[int] = (found.neighbours.slots >= 0).sum(axis=1).tolist()
    return counted


def _state(vectors: Matrix, metric: Metric) -> LibraryState:
    library = a_library(dimension=vectors.shape[1], metric=metric)
    return LibraryState(library, next_slot=len(vectors))

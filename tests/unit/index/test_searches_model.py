"""Any sequence of searches, over indexes of all kinds that grow and shrink, finds what sorting all distances finds.

What one search leaves behind, in memory that the next one uses, must not show: so one process holds indexes of several
dimensions, and asks now this one and now that, old states of them too, alone and from several threads.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index.base import BuiltIndex, Neighbours, Route
from pergamum.index.layered import LayeredIndex
from pergamum.index.mask import SlotMask
from tests.support.built import KINDS_AND_METRICS, assert_lawful, build, quiet, truth
from tests.support.kernels import KINDS, assert_same, compiled_only, hard_vectors, prepare_kernels

DIMENSIONS = (1, 2, 3, 4, 17, 19, 64, 130, 513, 4_096)
"""Several of them are padded to the same size."""
MOST_NUMBERS = 40_000
"""Of the vectors inserted at once: so many that nothing is slow."""
THREADS = 4
made, metrics, dimensions = st.sampled_from(KINDS), st.sampled_from(Metric), st.sampled_from(DIMENSIONS)
seeds = st.integers(0, 2**32 - 1)
counts = st.sampled_from([1, 2, 31, 64, 65, 130, 300])
shares = st.sampled_from([0.0, 0.1, 0.7, 1.0])
kinds = st.sampled_from(["brute_force", *(kind for kind, metric in KINDS_AND_METRICS if metric is Metric.L2)])


class State(NamedTuple):
    """A library as it once was: what a search takes, which nobody changes."""

    metric: Metric
    layers: LayeredIndex
    vectors: Matrix
    live: SlotMask

    @property
    def dimension(self) -> int:
        return int(self.vectors.shape[1])


class Asked(NamedTuple):
    """One search; `route` is one of those there are, by its place."""

    queries: Matrix
    k: int
    allowed: SlotMask
    route: Route


@st.composite
def searches(draw: st.DrawFn, states: Sequence[State]) -> tuple[State, Asked]:
    """One of the states, and a search of it: by other vectors, and one of its own."""
    state, seed = states[draw(st.integers(0, len(states) - 1))], draw(seeds)
    many, slots = draw(st.sampled_from([1, 1, 1, 1, 0, 3, 65])), np.random.default_rng(seed).random(len(state.vectors))
    queries = hard_vectors(draw(made), max(many, 1), state.dimension, seed)[:many]
    if many and len(state.vectors):
        queries[0] = queries[0] if draw(st.booleans()) else state.vectors[seed % len(state.vectors)]
    allowed = state.live.without(np.flatnonzero(slots < draw(shares)).tolist())
    strategy = draw(st.sampled_from(state.layers.strategies))
    route = Route(strategy, 0 if Route(strategy).exact else draw(st.sampled_from([1, 2, 10, 40, 400])))
    return state, Asked(queries, draw(st.sampled_from([1, 1, 10, 70, 400])), allowed, route)


def answered(state: State, asked: Asked) -> Neighbours:
    return state.layers.search(asked.queries, asked.k, state.vectors, asked.allowed, asked.route)


def assert_right(state: State, asked: Asked, found: Neighbours) -> None:
    """Exact answers are the true ones; the others are lawful: true distances of allowed slots in order, none twice."""
    assert_lawful(found, state.metric, asked.queries, asked.k, state.vectors, asked.allowed)
    if asked.route.exact:
        assert_same(found, truth(state.metric, asked.queries, asked.k, state.vectors, asked.allowed))


class Searching(RuleBasedStateMachine):
    """Libraries by name, each with all its states so far, the newest last. Searches follow every change."""

    names = Bundle("names")

    def __init__(self) -> None:
        super().__init__()
        self._libraries: list[list[State]] = []

    @initialize(target=names, metric=metrics, dimension=dimensions, kind=kinds)
    def begin(self, metric: Metric, dimension: int, kind: str) -> int:
        return self._created(metric, dimension, kind, 0)

    @rule(target=names, metric=metrics, dimension=dimensions, kind=kinds, count=st.just(0) | counts, data=st.data())
    def create(self, metric: Metric, dimension: int, kind: str, count: int, data: st.DataObject) -> int:
        name = self._created(metric, dimension, kind, count)
        self.search(data, old=False, threads=1)
        return name

    @rule(name=names, kind=made, count=counts, seed=seeds, data=st.data())
    def insert(self, name: int, kind: str, count: int, seed: int, data: st.DataObject) -> None:
        self._insert(name, kind, count, seed)
        self.search(data, old=False, threads=1)

    @rule(name=names, share=shares, seed=seeds, data=st.data())
    def remove(self, name: int, share: float, seed: int, data: st.DataObject) -> None:
        state = self._libraries[name][-1]
        gone = np.flatnonzero(np.random.default_rng(seed).random(len(state.vectors)) < share)
        self._libraries[name].append(state._replace(live=state.live.without(gone.tolist())))
        self.search(data, old=False, threads=1)

    @rule(name=names, kind=kinds, data=st.data())
    def index(self, name: int, kind: str, data: st.DataObject) -> None:
        self._index(name, kind)
        self.search(data, old=False, threads=1)

    @rule(name=names, data=st.data())
    def grow(self, name: int, data: st.DataObject) -> None:
        state = self._libraries[name][-1]
        if state.layers.built is not None:
            self._publish(name, state.layers.built.grown(state.vectors, state.live, quiet()))
        self.search(data, old=False, threads=1)

    @rule(data=st.data(), old=st.booleans(), threads=st.sampled_from([1, THREADS]))
    def search(self, data: st.DataObject, old: bool, threads: int) -> None:
        states = [state for library in self._libraries for state in (library if old else library[-1:])]
        chosen = data.draw(st.lists(searches(states), min_size=1, max_size=2 * THREADS))
        with ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(lambda each: answered(*each), chosen))
        for (state, asked), near in zip(chosen, found, strict=True):
            assert_right(state, asked, near)

    def _created(self, metric: Metric, dimension: int, kind: str, count: int) -> int:
        empty, name = np.empty((0, dimension), np.float32), len(self._libraries)
        self._libraries.append([State(metric, LayeredIndex.empty(dimension, metric), empty, SlotMask())])
        if count:
            self._insert(name, "normal", count, name)
        self._index(name, kind)
        return name

    def _insert(self, name: int, kind: str, count: int, seed: int) -> None:
        state = self._libraries[name][-1]
        new = hard_vectors(kind, min(count, max(3, MOST_NUMBERS // state.dimension)), state.dimension, seed)
        layers, vectors = state.layers.extended(new), np.concatenate([state.vectors, new])
        self._libraries[name].append(state._replace(layers=layers, vectors=vectors))

    def _index(self, name: int, kind: str) -> None:
        state = self._libraries[name][-1]
        if (kind, state.metric) in KINDS_AND_METRICS:
            self._publish(name, build(kind, state.vectors, state.metric, state.live))

    def _publish(self, name: int, built: BuiltIndex) -> None:
        state = self._libraries[name][-1]
        assert list(built.faults()) == []
        self._libraries[name].append(state._replace(layers=state.layers.with_built(built, state.vectors)))


@compiled_only
def test_searches_find_what_sorting_finds() -> None:
    prepare_kernels()
    run_state_machine_as_test(Searching, settings=settings(max_examples=30, stateful_step_count=25))

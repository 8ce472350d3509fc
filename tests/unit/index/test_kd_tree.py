"""The kd-tree answers what sorting everything would, to the last bit; it is the same however it was built."""

import threading

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.domain.vectors import Matrix, Metric
from pergamum.errors import Cancelled, InvalidField
from pergamum.index.base import Job, Neighbours, Route, Strategy
from pergamum.index.kd_tree.build import PIECE_POINTS
from pergamum.index.kd_tree.index import KdTreeIndex, check_metric
from pergamum.index.kd_tree.params import KdTreeParams
from pergamum.index.mask import BLOCK_SLOTS, SlotMask
from tests.support.kernels import KINDS, assert_same, compiled_only, hard_vectors, oracle, prepare_kernels

METRICS = [Metric.L2, Metric.COSINE]
TREE = Route(Strategy.TREE)
LIVE = SlotMask()


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    prepare_kernels()


def _job(threads: int = 1) -> Job:
    return Job(threads, lambda _: None)


def _built(vectors: Matrix, metric: Metric = Metric.L2, live: SlotMask = LIVE, leaf_size: int = 8) -> KdTreeIndex:
    return KdTreeIndex.build(vectors, metric, live, KdTreeParams(leaf_size), _job())


def _mask(flags: npt.NDArray[np.bool_]) -> SlotMask:
    """`flags` for the first slots; all others are allowed."""
    return SlotMask().without(np.flatnonzero(~flags).tolist())


def _assert_exact(index: KdTreeIndex, queries: Matrix, k: int, vectors: Matrix, allowed: SlotMask) -> Neighbours:
    found = index.search(queries, k, vectors, allowed, TREE)
    assert_same(found, oracle(index.metric, queries, k, vectors[: index.count], allowed))
    return found


@pytest.mark.parametrize("metric", METRICS)
@given(
    kind=st.sampled_from(KINDS),
    other=st.sampled_from(KINDS),
    count=st.integers(1, 400),
    dimension=st.integers(1, 16),
    k=st.sampled_from([1, 2, 10, 50, 500]),
    share=st.sampled_from([0.0, 0.02, 0.5, 1.0]),
    leaf_size=st.sampled_from([8, 11, 32]),
    seed=st.integers(0, 2**32 - 1),
)
def test_answers_are_those_of_the_oracle(
    metric: Metric, kind: str, other: str, count: int, dimension: int, k: int, share: float, leaf_size: int, seed: int
) -> None:
    vectors = hard_vectors(kind, count, dimension, seed)
    queries = np.concatenate([hard_vectors(other, 2, dimension, seed + 1), vectors[:1]])
    allowed = _mask(np.random.default_rng(seed).random(count) < share)
    index = _built(vectors, metric, leaf_size=leaf_size)

    _assert_exact(index, queries, k, vectors, allowed)
    _assert_exact(index, queries, k, vectors, LIVE)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_vector_gives_exact_answers_on_several_levels(metric: Metric, kind: str) -> None:
    vectors, queries = hard_vectors(kind, 3000, 3, 1), hard_vectors(kind, 5, 3, 2)
    index = _built(vectors, metric)

    _assert_exact(index, np.concatenate([queries, vectors[:5]]), 10, vectors, LIVE)
    assert list(index.faults()) == []


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dimension", [2, 3, 8])
def test_few_points_are_looked_at(metric: Metric, dimension: int) -> None:
    vectors, queries = hard_vectors("normal", 20_000, dimension, 1), hard_vectors("normal", 20, dimension, 2)

    found = _built(vectors, metric, leaf_size=32).search(queries, 10, vectors, LIVE, TREE)

    assert found.verified < 20 * 200
    assert found.scored < 20 * 20_000 * 0.4


@pytest.mark.parametrize("metric", METRICS)
def test_every_slot_is_scored_when_k_is_all(metric: Metric) -> None:
    vectors = hard_vectors("normal", 100, 3, 1)

    found = _assert_exact(_built(vectors, metric), vectors[:2], 150, vectors, LIVE)

    assert (found.verified, found.scored) == (200, 200)


@pytest.mark.parametrize("count", [0, 1])
def test_almost_no_vectors(count: int) -> None:
    vectors = hard_vectors("normal", 1, 4, 1)
    index = _built(vectors[:count])

    _assert_exact(index, vectors, 3, vectors[:count], LIVE)
    assert index.count == count
    assert list(index.faults()) == []


def test_no_queries_and_no_neighbours() -> None:
    vectors = hard_vectors("normal", 20, 4, 1)
    index = _built(vectors)

    assert index.search(vectors[:0], 3, vectors, LIVE, TREE).slots.shape == (0, 3)
    assert index.search(vectors[:2], 0, vectors, LIVE, TREE).slots.shape == (2, 0)


def test_slots_beyond_the_mask_are_allowed_and_slots_beyond_the_index_unknown() -> None:
    vectors = hard_vectors("normal", BLOCK_SLOTS + 5000, 2, 1)
    index, allowed = _built(vectors[: BLOCK_SLOTS + 4000]), SlotMask().without(range(BLOCK_SLOTS))
    queries = vectors[[BLOCK_SLOTS - 1, BLOCK_SLOTS, BLOCK_SLOTS + 4500]]

    found = _assert_exact(index, queries, 5, vectors, allowed)

    assert len(allowed.flat()) == BLOCK_SLOTS
    assert ((found.slots >= BLOCK_SLOTS) & (found.slots < index.count)).all()


@pytest.mark.parametrize("metric", METRICS)
def test_dead_slots_are_left_out(metric: Metric) -> None:
    vectors = hard_vectors("small integers", 500, 3, 1)
    live = _mask(np.arange(500) % 3 > 0)
    index = _built(vectors, metric, live)

    _assert_exact(index, vectors[:3], 20, vectors, live)
    assert index.count == 500
    assert sorted(index.tree.slots.tolist()) == [slot for slot in range(500) if slot % 3 > 0]


@pytest.mark.parametrize("metric", METRICS)
def test_a_grown_index_covers_all_rows_without_the_dead(metric: Metric) -> None:
    vectors = hard_vectors("normal", 900, 3, 1)
    live = SlotMask().without(range(0, 900, 7))

    grown = _built(vectors[:300], metric).grown(vectors, live, _job())

    _assert_exact(grown, vectors[::100], 10, vectors, live)
    assert grown.count == 900
    assert grown.params == KdTreeParams(8)


@compiled_only
@pytest.mark.parametrize("kind", ["normal", "duplicates", "small integers"])
def test_the_tree_is_the_same_for_any_number_of_threads(kind: str) -> None:
    vectors = hard_vectors(kind, 4 * PIECE_POINTS + 1, 2, 1)

    alone, together = (
        KdTreeIndex.build(vectors, Metric.L2, LIVE, KdTreeParams(32), _job(threads)).tree for threads in (1, 4)
    )

    for part, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(part, other)


@compiled_only
def test_progress_rises_and_is_told_by_the_calling_thread() -> None:
    shares: list[float] = []
    threads: set[int] = set()

    def report(share: float) -> None:
        shares.append(share)
        threads.add(threading.get_ident())

    vectors = hard_vectors("normal", 4 * PIECE_POINTS, 2, 1)
    KdTreeIndex.build(vectors, Metric.L2, LIVE, KdTreeParams(), Job(2, report))

    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert len(shares) > 8
    assert threads == {threading.get_ident()}


@compiled_only
def test_a_build_can_be_cancelled() -> None:
    def report(share: float) -> None:
        if share > 0.2:
            raise Cancelled

    before = threading.active_count()
    vectors = hard_vectors("normal", 4 * PIECE_POINTS, 2, 1)

    with pytest.raises(Cancelled):
        KdTreeIndex.build(vectors, Metric.L2, LIVE, KdTreeParams(), Job(2, report))

    assert threading.active_count() == before


def test_what_the_planner_asks() -> None:
    index = _built(hard_vectors("normal", 100, 3, 1))

    assert (index.kind, index.strategies) == ("kd_tree", (Strategy.TREE,))
    assert index.efforts(Strategy.TREE, 10) == (0,)
    assert index.memory_bytes >= 100 * (3 * 4 + 8)


def test_dot_is_refused_and_told_what_to_use_instead() -> None:
    with pytest.raises(InvalidField, match=r"index\.kind: .*use hnsw"):
        check_metric(Metric.DOT)
    with pytest.raises(InvalidField):
        _built(hard_vectors("normal", 3, 3, 1), Metric.DOT)
    for metric in METRICS:
        check_metric(metric)


@pytest.mark.parametrize("value", [7, 513, 32.0, "32", True, None])
def test_a_wrong_leaf_size_is_refused(value: object) -> None:
    with pytest.raises(InvalidField, match=r"index\.params\.leaf_size"):
        KdTreeParams.of({"leaf_size": value})


def test_parameters() -> None:
    assert KdTreeParams.of({}).leaf_size == 32
    assert KdTreeParams.of({"leaf_size": 512}).leaf_size == 512
    with pytest.raises(InvalidField, match=r"index\.params\.depth"):
        KdTreeParams.of({"depth": 3})

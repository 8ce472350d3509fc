"""The contract of `VectorIndex`, for every body that may answer: the same k slots and the same bits from each."""

import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.domain.vectors import Metric
from pergamum.errors import Damaged, InvalidField, NewerFormat
from pergamum.index import factory
from pergamum.index.base import Neighbours
from pergamum.index.brute_force.index import BruteForceIndex
from pergamum.index.mask import BLOCK_SLOTS, SlotMask
from tests.support.kernels import (
    BODIES,
    KINDS,
    Body,
    assert_same,
    compiled_only,
    filled,
    hard_vectors,
    oracle,
    prepare_kernels,
    using,
)

bodies = pytest.mark.parametrize("body", BODIES)
metrics = pytest.mark.parametrize("metric", list(Metric))
ALL = SlotMask()


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    prepare_kernels()


@bodies
@given(
    kind=st.sampled_from(KINDS),
    query_kind=st.sampled_from(KINDS),
    metric=st.sampled_from(list(Metric)),
    dimension=st.sampled_from([1, 2, 3, 7, 100, 384]),
    count=st.integers(1, 200),
    k=st.integers(1, 210),
    dead=st.sampled_from([0.0, 0.1, 0.9, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_finds_exactly_the_nearest_live_slots(
    body: Body, kind: str, query_kind: str, metric: Metric, dimension: int, count: int, k: int, dead: float, seed: int
) -> None:
    vectors = hard_vectors(kind, count, dimension, seed)
    queries = np.concatenate([hard_vectors(query_kind, 2, dimension, seed + 1), vectors[:1]])
    live = ALL.without(np.flatnonzero(np.random.default_rng(seed).random(count) < dead).tolist())

    with using(body):
        found = filled(vectors, metric).search(queries, k, vectors, live)

    assert_same(found, oracle(metric, queries, k, vectors, live))


@compiled_only
@bodies
@metrics
def test_a_batch_answers_like_single_searches(body: Body, metric: Metric) -> None:
    vectors, queries = hard_vectors("normal", 3000, 20, 1), hard_vectors("normal", 70, 20, 2)
    index = filled(vectors, metric)

    with using(body):
        batch = index.search(queries, 12, vectors, ALL)
        singles = [index.search(query[None], 12, vectors, ALL) for query in queries]

    assert_same(batch, _stacked(singles))


@compiled_only
@bodies
@metrics
def test_equal_vectors_come_in_the_order_of_their_slots(body: Body, metric: Metric) -> None:
    vectors = hard_vectors("equal", 10_000, 5, 3)

    with using(body):
        found = filled(vectors, metric).search(vectors[:1], 20, vectors, ALL.without([0, 3]))

    assert found.slots[0].tolist() == [1, 2, *range(4, 22)]


@bodies
@pytest.mark.parametrize("metric", [Metric.DOT, Metric.L2])
def test_zero_queries_and_vectors_have_distances_unless_under_cosine(body: Body, metric: Metric) -> None:
    vectors = np.array([[0, 0, 0], [1, 2, 2], [0, 0, 0]], dtype=np.float32)

    with using(body):
        found = filled(vectors, metric).search(np.zeros((1, 3), np.float32), 3, vectors, ALL)

    assert found.slots.tolist() == ([[0, 1, 2]] if metric is Metric.DOT else [[0, 2, 1]])
    assert found.distances.tolist() == ([[0, 0, 0]] if metric is Metric.DOT else [[0, 0, 3]])


@bodies
def test_what_is_not_there_is_slot_minus_one_at_infinity(body: Body) -> None:
    vectors = hard_vectors("normal", 4, 3, 4)

    with using(body):
        found = filled(vectors, Metric.L2).search(vectors[:2], 6, vectors, ALL.without([1]))
        nothing = BruteForceIndex.empty(3, Metric.L2).search(vectors[:2], 2, vectors, ALL)

    assert (found.slots[:, 3:] == -1).all()
    assert np.isposinf(found.distances[:, 3:]).all()
    assert nothing.slots.tolist() == [[-1, -1]] * 2
    assert np.isposinf(nothing.distances).all()


@bodies
def test_no_queries_get_no_answers(body: Body) -> None:
    vectors = hard_vectors("normal", 4, 3, 4)

    with using(body):
        found = filled(vectors, Metric.DOT).search(vectors[:0], 5, vectors, ALL)

    assert found.slots.shape == found.distances.shape == (0, 5)


@compiled_only
@bodies
@metrics
def test_blocks_beyond_the_first_are_searched(body: Body, metric: Metric) -> None:
    count = BLOCK_SLOTS + 1000
    vectors = hard_vectors("small integers", count, 3, 5)
    index, live = filled(vectors[:100], metric), ALL.without([5, BLOCK_SLOTS, BLOCK_SLOTS + 7])
    for start in range(100, count, 30_000):
        index = index.extended(vectors[start : start + 30_000])

    with using(body):
        found = index.search(vectors[-2:], 300, vectors, live)

    assert_same(found, oracle(metric, vectors[-2:], 300, vectors, live))


@compiled_only
@bodies
@metrics
@given(sizes=st.lists(st.integers(0, 90), max_size=6), seed=st.integers(0, 1000))
def test_growing_step_by_step_gives_the_index_of_the_whole(
    body: Body, metric: Metric, sizes: list[int], seed: int
) -> None:
    vectors = hard_vectors("normal", sum(sizes) + 1, 6, seed)
    index, start = BruteForceIndex.empty(6, metric), 0
    for size in [*sizes, 1]:
        index, start = index.extended(vectors[start : start + size]), start + size

    with using(body):
        assert index.count == len(vectors)
        assert_same(index.search(vectors[:2], 9, vectors, ALL), oracle(metric, vectors[:2], 9, vectors, ALL))


@bodies
@metrics
def test_an_index_never_changes_and_a_thrown_away_one_leaves_no_trace(body: Body, metric: Metric) -> None:
    first, lost, kept = (hard_vectors("normal", 40, 9, seed) for seed in (1, 2, 3))
    old = filled(first, metric)

    with using(body):
        before = old.search(kept[:3], 50, first, ALL)
        old.extended(lost)
        new = old.extended(kept)
        after = old.search(kept[:3], 50, first, ALL)

        both = np.concatenate([first, kept])
        assert_same(after, before)
        assert_same(new.search(kept[:3], 50, both, ALL), oracle(metric, kept[:3], 50, both, ALL))


@compiled_only
@bodies
def test_searches_go_on_while_the_index_grows(body: Body) -> None:
    vectors = hard_vectors("normal", 6000, 8, 6)
    old = filled(vectors[:1003], Metric.COSINE)
    expected = oracle(Metric.COSINE, vectors[:4], 10, vectors[:1003], ALL)
    wrong, growing = [], threading.Event()

    def search() -> None:
        while not growing.is_set():
            found = old.search(vectors[:4], 10, vectors, ALL)
            if found.slots.tobytes() != expected.slots.tobytes():
                wrong.append(found)

    with using(body):
        threads = [threading.Thread(target=search) for _ in range(3)]
        for thread in threads:
            thread.start()
        index = old
        for start in range(1003, 6000, 61):
            index = index.extended(vectors[start : start + 61])
        growing.set()
        for thread in threads:
            thread.join()
        last = index.search(vectors[:4], 10, vectors, ALL)

    assert wrong == []
    assert_same(last, oracle(Metric.COSINE, vectors[:4], 10, vectors, ALL))


@compiled_only
@bodies
@metrics
@pytest.mark.parametrize("count", [0, 1, 64, 130, BLOCK_SLOTS + 3])
def test_a_saved_index_answers_the_same_and_goes_on_growing(
    body: Body, metric: Metric, count: int, tmp_path: Path
) -> None:
    vectors = hard_vectors("normal", count + 70, 2, 7)
    index = BruteForceIndex.empty(2, metric).extended(vectors[:count])
    index.extended(hard_vectors("normal", 5, 2, 8))

    index.save(tmp_path)
    loaded = BruteForceIndex.load(tmp_path).extended(vectors[count:])

    with using(body):
        found = loaded.search(vectors[:2], 5, vectors, ALL)
    assert loaded.count == count + 70
    assert_same(found, oracle(metric, vectors[:2], 5, vectors, ALL))


def test_what_is_saved_holds_nothing_beyond_the_count(tmp_path: Path) -> None:
    vectors = hard_vectors("normal", 100, 5, 9)
    once, grown = filled(vectors[:70], Metric.L2), filled(vectors[:70], Metric.L2)
    grown.extended(vectors[70:])

    assert _saved(once, tmp_path / "once") == _saved(grown, tmp_path / "grown")


def test_every_wrong_missing_or_extra_byte_is_found(tmp_path: Path) -> None:
    filled(hard_vectors("normal", 5, 3, 10), Metric.COSINE).save(tmp_path)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    flipped = [whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :] for at in range(len(whole))]
    cut = [whole[:length] for length in range(len(whole))]

    for damaged in [*flipped, *cut, whole + b"\0"]:
        file.write_bytes(damaged)
        with pytest.raises(Damaged):
            BruteForceIndex.load(tmp_path)


def test_a_newer_format_and_a_missing_file_are_told_apart(tmp_path: Path) -> None:
    filled(hard_vectors("normal", 5, 3, 10), Metric.COSINE).save(tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:8] + b"\2\0\0\0" + file.read_bytes()[12:])

    with pytest.raises(NewerFormat, match="format 2 is newer than 1"):
        BruteForceIndex.load(tmp_path)
    file.unlink()
    with pytest.raises(Damaged, match="cannot be read"):
        BruteForceIndex.load(tmp_path)


def test_memory_follows_what_is_stored() -> None:
    small, large = hard_vectors("normal", 10, 384, 11), hard_vectors("normal", 20_000, 384, 12)

    assert filled(small, Metric.COSINE).memory_bytes <= 64 * 1024
    assert filled(large, Metric.COSINE).memory_bytes <= 0.35 * large.nbytes + 60 * len(large)


def test_kinds_are_checked_by_name() -> None:
    factory.check("brute_force", {}, Metric.DOT)

    with pytest.raises(InvalidField, match="no index kind 'magic'"):
        factory.check("magic", {}, Metric.DOT)
    with pytest.raises(InvalidField, match="takes no parameters"):
        factory.check("auto", {"ef": 3}, Metric.DOT)


@compiled_only
@pytest.mark.parametrize("name", ["words-100", "sentences-384"])
def test_real_vectors_are_found_as_their_makers_found_them(name: str, data_folder: Path) -> None:
    with np.load(data_folder / f"{name}.npz") as data:
        vectors, queries = data["base"].astype(np.float32), data["queries"][:200].astype(np.float32)
        neighbours, distances = data["neighbors"][:200, :10], data["distances"][:200, :10]

    found = filled(vectors, Metric.COSINE).search(queries, 10, vectors, ALL)

    np.testing.assert_allclose(found.distances, distances, atol=2e-6)
    strangers = np.array([~np.isin(row, true) for row, true in zip(found.slots, neighbours, strict=True)])
    ties = found.distances >= distances[:, -1:] - 2e-6
    assert not (strangers & ~ties).any()
    assert found.verified < 0.001 * len(vectors) * len(queries)


def _stacked(parts: list[Neighbours]) -> Neighbours:
    return Neighbours(np.concatenate([p.slots for p in parts]), np.concatenate([p.distances for p in parts]))


def _saved(index: BruteForceIndex, folder: Path) -> bytes:
    folder.mkdir()
    index.save(folder)
    (file,) = folder.iterdir()
    return file.read_bytes()

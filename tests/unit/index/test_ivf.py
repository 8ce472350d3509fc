"""Partitions: what they find for their effort, how they grow, and that a saved one comes back or not at all."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from pergamum.domain.vectors import Matrix, Metric
from pergamum.errors import Damaged, InvalidField, NewerFormat
from pergamum.index.base import Route, Strategy
from pergamum.index.ivf.faults import of_partitions
from pergamum.index.ivf.index import OUTGROWN, IvfIndex
from pergamum.index.ivf.layout import BLOCK, numbers_of, opened
from pergamum.index.ivf.params import IvfParams
from pergamum.index.ivf.snapshot import NAME
from pergamum.index.mask import SlotMask
from tests.support.built import ALL, assert_lawful, clustered, quiet, recall, some_dead, truth
from tests.support.kernels import compiled_only, hard_vectors, prepare_kernels

metrics = pytest.mark.parametrize("metric", list(Metric))
pytestmark = compiled_only


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    prepare_kernels()


def build(vectors: Matrix, metric: Metric = Metric.L2, live: SlotMask = ALL, threads: int = 1) -> IvfIndex:
    return IvfIndex.build(vectors, metric, live, IvfParams(20), quiet(threads))


def effort(count: int) -> Route:
    return Route(Strategy.PARTITIONS, count)


@metrics
def test_more_effort_reads_more_and_finds_more(metric: Metric) -> None:
    vectors, queries = clustered(4000, 24), clustered(50, 24, seed=2)
    index, true = build(vectors, metric), truth(metric, queries, 10, vectors, ALL)

    found = [index.search(queries, 10, vectors, ALL, effort(count)) for count in (1, 4, 20)]

    shares = [recall(each, true) for each in found]
    assert shares == sorted(shares)
    assert shares[0] < 0.9
    assert shares[2] >= 0.99
    assert [each.scored for each in found] == sorted({each.scored for each in found})
    assert found[2].scored >= 4000 * 50


@metrics
def test_a_filter_that_leaves_slots_far_away_still_gets_k_hits(metric: Metric) -> None:
    vectors = clustered(2000, 8)
    query = vectors[:1]
    near = truth(metric, query, 1900, vectors, ALL).slots[0]
    allowed = ALL.without(near.tolist())

    found = build(vectors, metric).search(query, 20, vectors, allowed, effort(1))

    assert_lawful(found, metric, query, 20, vectors, allowed)


@metrics
@pytest.mark.parametrize("number", [1e-38, 1e-20, 1.0, 1e19, 3e38])
def test_vectors_of_any_length_are_found(metric: Metric, number: float) -> None:
    vectors = (clustered(300, 6) / 10 * np.float32(number)).astype(np.float32)

    for queries in (vectors[:4], clustered(4, 6, seed=2)):
        found = build(vectors, metric).search(queries, 10, vectors, ALL, effort(20))
        assert_lawful(found, metric, queries, 10, vectors, ALL)


@metrics
def test_any_number_of_threads_makes_the_same_partitions(metric: Metric) -> None:
    vectors = clustered(9000, 10)

    one, many = build(vectors, metric), build(vectors, metric, threads=3)

    for part, same in zip(one.partitions, many.partitions, strict=True):
        np.testing.assert_array_equal(part, same)


def test_growing_keeps_the_partitions_until_they_are_outgrown() -> None:
    vectors = clustered(OUTGROWN * 500 + 1, 10)
    index = build(vectors[:500])

    grown = index.grown(vectors[: OUTGROWN * 500], ALL, quiet())
    outgrown = index.grown(vectors, ALL, quiet())

    np.testing.assert_array_equal(grown.partitions.centroids, index.partitions.centroids)
    assert (grown.made_for, grown.count) == (500, OUTGROWN * 500)
    assert (outgrown.made_for, outgrown.count) == (len(vectors), len(vectors))


@metrics
@pytest.mark.parametrize(("first", "later"), [("normal", "huge"), ("denormal", "normal"), ("tiny", "largest")])
def test_growing_takes_vectors_however_far_beyond_the_first(metric: Metric, first: str, later: str) -> None:
    """Their numbers, in units of the scale, and the squares of these, are beyond float32."""
    near = hard_vectors(first, 100, 5, 1)
    vectors = np.concatenate([near, hard_vectors(later, 30, 5, 2)])

    index = build(near, metric).grown(vectors, ALL, quiet())

    assert list(index.faults()) == []
    for queries in (vectors[:3], vectors[-3:]):
        for allowed in (ALL, ALL.without(range(100))):
            found = index.search(queries, 20, vectors, allowed, effort(20))
            assert_lawful(found, metric, queries, 20, vectors, allowed)


def test_two_searches_never_have_the_same_scratch() -> None:
    index = build(clustered(200, 8))

    first, second = index._borrow(10), index._borrow(10)

    assert first[1] is not second[1]
    index._scratches.append(first)
    assert index._borrow(10)[1] is first[1]
    assert index._borrow(10)[1] is not second[1]


def test_growing_drops_what_has_died() -> None:
    vectors, deleted = clustered(600, 10), some_dead(500, 0.5)

    grown = build(vectors[:500]).grown(vectors, deleted, quiet())

    slots = numbers_of(grown.partitions)[2]
    np.testing.assert_array_equal(np.sort(slots[slots >= 0]), np.flatnonzero(deleted.flags(600)))
    assert list(grown.faults()) == []


@pytest.mark.parametrize("given", [{"partitions": 0}, {"partitions": True}, {"partitions": 2.0}, {"m": 8}])
def test_wrong_parameters_are_named(given: dict[str, object]) -> None:
    with pytest.raises(InvalidField, match=f"index.params.{next(iter(given))}"):
        IvfParams.of(given)


@pytest.mark.parametrize(("count", "partitions"), [(0, 1), (1, 1), (100, 2), (10_000, 200), (1_000_000, 2000)])
def test_partitions_are_chosen_by_the_number_of_vectors(count: int, partitions: int) -> None:
    assert IvfParams().chosen(count, Metric.L2) == partitions


@pytest.mark.parametrize(("count", "partitions"), [(0, 1), (100, 2), (10_000, 208), (1_000_000, 4000)])
def test_vectors_in_two_partitions_each_get_twice_as_many(count: int, partitions: int) -> None:
    assert IvfParams().chosen(count, Metric.COSINE) == IvfParams().chosen(count, Metric.DOT) == partitions


@metrics
def test_each_vector_is_in_one_partition_under_l2_and_else_in_two(metric: Metric) -> None:
    vectors, deleted = clustered(700, 10), some_dead(700, 0.3)
    index = build(vectors[:500], metric, deleted).grown(vectors, deleted, quiet())
    alive, copies = np.flatnonzero(deleted.flags(700)), 1 if metric is Metric.L2 else 2

    slots = numbers_of(index.partitions)[2]

    np.testing.assert_array_equal(np.sort(slots[slots >= 0]), np.repeat(alive, copies))
    assert list(index.faults()) == []


@pytest.mark.parametrize("metric", [Metric.COSINE, Metric.DOT])
@pytest.mark.parametrize("count", [1, 3, 20])
def test_no_slot_is_found_twice_and_a_search_leaves_no_marks(metric: Metric, count: int) -> None:
    vectors, queries = clustered(3000, 6), clustered(30, 6, seed=2)
    index = build(vectors, metric)

    found = index.search(queries, 100, vectors, ALL, effort(count))

    assert all(len(set(row[row >= 0].tolist())) == np.count_nonzero(row >= 0) for row in found.slots)
    again = index.search(queries, 100, vectors, ALL, effort(count))
    np.testing.assert_array_equal(again.slots, found.slots)
    assert again.verified == found.verified


@metrics
def test_a_flipped_bit_is_always_found(metric: Metric, tmp_path: Path) -> None:
    build(clustered(100, 6), metric).save(tmp_path)
    whole = (tmp_path / NAME).read_bytes()

    for place in [*range(128), *range(128, len(whole), 97), len(whole) - 1]:
        (tmp_path / NAME).write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises((Damaged, NewerFormat)):
            IvfIndex.load(tmp_path)


@pytest.mark.parametrize("size", [0, 50, 128, 1000])
def test_a_shortened_file_is_damaged(size: int, tmp_path: Path) -> None:
    build(clustered(100, 6)).save(tmp_path)
    (tmp_path / NAME).write_bytes((tmp_path / NAME).read_bytes()[:size])

    with pytest.raises(Damaged):
        IvfIndex.load(tmp_path)


@pytest.mark.parametrize("old", [1, 2])
def test_a_file_of_an_older_format_is_rebuilt(old: int, tmp_path: Path) -> None:
    build(clustered(100, 6)).save(tmp_path)
    whole = (tmp_path / NAME).read_bytes()
    fields = whole[:8] + struct.pack("<I", old) + whole[12:60]
    (tmp_path / NAME).write_bytes(fields + struct.pack("<I", zlib.crc32(fields)) + whole[64:])

    with pytest.raises(Damaged, match=f"has format {old}, which is no longer read"):
        IvfIndex.load(tmp_path)


def test_the_doctor_sees_what_no_checksum_tells() -> None:
    index = build(clustered(100, 6))
    partitions = opened(index.arena.copy(), index.shape)
    slots = partitions.blocks[:, -4 * BLOCK :].view(np.int32)
    slots[0, :2] = (5, 500)
    slots[1, 0] = 5
    partitions.books[0, 0, 0] = np.nan

    found = list(of_partitions(partitions, index.count))

    assert found == [
        "a slot is beyond the 100 covered",
        "a slot is in too many places",
        "books hold what is no number",
    ]


def test_the_doctor_sees_a_slot_that_is_twice_in_a_partition() -> None:
    index = build(clustered(100, 6), Metric.COSINE)
    partitions = opened(index.arena.copy(), index.shape)
    slots = partitions.blocks[:, -4 * BLOCK :].view(np.int32)
    block = int(np.argmax((slots >= 0).sum(axis=1)))
    slots[block, 0] = slots[block, 1]

    assert list(of_partitions(partitions, index.count)) == [
        "a slot is in too many places",
        "a slot is in too few places",
        "a slot is twice in a partition",
    ]


@pytest.mark.parametrize("metric", [Metric.COSINE, Metric.L2])
@pytest.mark.parametrize("offset", [0.0, 300.0])
def test_what_all_vectors_have_in_common_costs_no_recall(metric: Metric, offset: float) -> None:
    random = np.random.default_rng(3)
    common = offset * random.standard_normal(32)
    vectors = (clustered(4000, 32) + common).astype(np.float32)
    queries = (vectors[:50] + 0.1 * random.standard_normal((50, 32))).astype(np.float32)
    true = truth(metric, queries, 10, vectors, ALL)

    found = build(vectors, metric).search(queries, 10, vectors, ALL, effort(10))

    assert recall(found, true) >= 0.9

"""What a scan keeps for the next one: memory, never an answer; and blocks of which some, or none, are masked."""

import numpy as np
import pytest

from pergamum.domain.vectors import Metric
from pergamum.index.brute_force import desk
from pergamum.index.brute_force.desk import Desks
from pergamum.index.mask import BLOCK_SLOTS, SlotMask
from tests.support.kernels import BODIES, Body, assert_same, compiled_only, filled, oracle, prepare_kernels, using


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    prepare_kernels()


def test_an_answer_stays_what_it_was_when_its_desk_is_used_again() -> None:
    vectors = np.random.default_rng(1).standard_normal((200, 8)).astype(np.float32)
    index, live = filled(vectors, Metric.L2), SlotMask()

    first = index.search(vectors[:1], 5, vectors, live)
    second = index.search(vectors[7:8], 5, vectors, live)

    assert (first.slots[0, 0], second.slots[0, 0]) == (0, 7)
    assert_same(first, oracle(Metric.L2, vectors[:1], 5, vectors, live))


def test_a_desk_keeps_nothing_of_a_search_that_found_less() -> None:
    vectors = np.random.default_rng(1).standard_normal((200, 8)).astype(np.float32)
    index, few = filled(vectors, Metric.COSINE), SlotMask().without(range(3, 200))
    index.search(vectors[:1], 5, vectors, SlotMask())

    found = index.search(vectors[:1], 5, vectors, few)

    assert_same(found, oracle(Metric.COSINE, vectors[:1], 5, vectors, few))
    assert found.slots[0].tolist()[3:] == [-1, -1]


def test_a_desk_keeps_nothing_of_a_query_with_one_dimension_more() -> None:
    wider, vectors = np.array([[1, 2, -2]], np.float32), np.array([[0, -1], [0, 0]], np.float32)
    filled(wider, Metric.L2).search(np.array([[1, 1, 2]], np.float32), 1, wider, SlotMask())
    query = np.array([[2, 0]], np.float32)

    found = filled(vectors, Metric.L2).search(query, 1, vectors, SlotMask())

    assert_same(found, oracle(Metric.L2, query, 1, vectors, SlotMask()))


def test_two_searches_never_have_the_same_desk() -> None:
    desks = Desks()

    first, second = desks.take(1, 8, 10), desks.take(1, 8, 10)
    desks.give_back(first)

    assert first is not second
    assert desks.take(1, 8, 10) is first
    assert desks.take(1, 8, 10) not in (first, second)


def test_a_desk_is_for_one_dimension_and_one_k() -> None:
    desks = Desks()
    given = desks.take(1, 8, 10)
    desks.give_back(given)

    assert desks.take(1, 12, 10).digits.shape == (2, 12)
    assert desks.take(1, 8, 11).work.slots.shape == (1, 11)
    assert desks.take(1, 8, 10) is given


def test_desks_of_batches_and_of_many_kinds_are_not_kept() -> None:
    desks = Desks()
    batch = desks.take(64, 8, 10)
    desks.give_back(batch)
    kinds = [desks.take(1, 8, k) for k in range(1, 2 * desk._MOST_KINDS + 2)]
    for each in kinds:
        desks.give_back(each)

    assert desks.take(64, 8, 10) is not batch
    kept = [desks.take(1, 8, each.work.slots.shape[1]) is each for each in kinds]
    assert 0 < sum(kept) <= desk._MOST_KINDS


@compiled_only
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("begin", [0, 70, BLOCK_SLOTS + 1, 2 * BLOCK_SLOTS + 64])
def test_blocks_that_the_mask_does_not_reach_are_allowed(body: Body, metric: Metric, begin: int) -> None:
    """Three blocks, the last with a group that is not full; a mask of the first, of the second, of none."""
    vectors = np.random.default_rng(3).standard_normal((2 * BLOCK_SLOTS + 100, 4)).astype(np.float32)
    index, queries = filled(vectors, metric), vectors[[0, BLOCK_SLOTS + 5, 2 * BLOCK_SLOTS + 99]]
    near = oracle(metric, queries, 3, vectors, SlotMask()).slots
    dead = near[:, 0]

    for mask in (SlotMask(), SlotMask().without(dead[:1]), SlotMask().without(dead[:2]), SlotMask().without(dead)):
        expected = oracle(metric, queries, 3, vectors, mask.without(range(begin)))
        with using(body):
            together = index.search(queries, 3, vectors, mask, begin)
            one = index.search(queries[1:2], 3, vectors, mask, begin)

        assert_same(together, expected)
        np.testing.assert_array_equal(one.slots[0], expected.slots[1])

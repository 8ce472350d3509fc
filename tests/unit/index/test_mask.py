"""A mask is a set of slots: removing makes another one, shares what it can, and counts rightly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.index.mask import BLOCK_SLOTS, SlotMask

near_borders = st.one_of(
    st.integers(0, 40), st.integers(BLOCK_SLOTS - 3, BLOCK_SLOTS + 3), st.integers(2 * BLOCK_SLOTS, 2 * BLOCK_SLOTS + 9)
)
removals = st.lists(st.lists(near_borders, max_size=5), max_size=4)


def _after(steps: list[list[int]]) -> tuple[SlotMask, set[int]]:
    mask, gone = SlotMask(), set[int]()
    for step in steps:
        mask, gone = mask.without(step), gone | set(step)
    return mask, gone


@given(steps=removals, count=st.one_of(near_borders, st.just(3 * BLOCK_SLOTS)))
def test_what_was_removed_is_dead_and_all_else_is_not(steps: list[list[int]], count: int) -> None:
    mask, gone = _after(steps)

    expected = np.ones(count, np.bool_)
    expected[[slot for slot in gone if slot < count]] = False
    assert mask.dead == len(gone)
    assert mask.allowed(count) == expected.sum()
    np.testing.assert_array_equal(mask.flags(count), expected)
    assert mask.flat()[:count].tobytes() == expected[: len(mask.flat())].tobytes()


@given(steps=removals)
def test_blocks_and_the_flat_array_agree(steps: list[list[int]]) -> None:
    mask, _ = _after(steps)

    for number in range(4):
        part = mask.flat()[number * BLOCK_SLOTS : (number + 1) * BLOCK_SLOTS]
        assert part.size in {0, BLOCK_SLOTS}
        assert mask.block(number).all() if not part.size else (part == mask.block(number)).all()
    assert mask.block(len(mask.blocks)).all()


def test_an_older_mask_never_changes() -> None:
    first = SlotMask().without([1])
    flat = first.flat()

    second = first.without([2, BLOCK_SLOTS])

    assert (first.dead, second.dead) == (1, 3)
    assert first.flat() is flat
    assert flat[2]
    assert not second.flat()[2]
    assert second.block(5) is first.block(7)


def test_untouched_blocks_are_shared() -> None:
    first = SlotMask().without([0, BLOCK_SLOTS])

    second = first.without([3])

    assert second.block(1) is first.block(1)
    assert second.block(0) is not first.block(0)
    assert second.without([]) is second


def test_nothing_can_be_written() -> None:
    masks = (SlotMask().without([3]), SlotMask.of(np.ones(5, np.bool_)), SlotMask())

    for mask in masks:
        for array in (mask.block(0), mask.block(9), mask.flat()):
            assert not array.flags.writeable
    assert not SlotMask().flat().size


@given(flags=st.lists(st.booleans(), max_size=50), count=st.integers(0, 70))
def test_a_mask_of_flags(flags: list[bool], count: int) -> None:
    mask = SlotMask.of(np.array(flags, np.bool_))

    known = flags + [not flags] * 70  # the rest of the block is not allowed, but a mask of no flags has no block
    assert mask.dead == flags.count(False)
    assert mask.flags(count).tolist() == known[:count]
    assert mask.allowed(count) == sum(known[:count])


@pytest.mark.parametrize("count", [BLOCK_SLOTS, BLOCK_SLOTS + 1])
def test_slots_beyond_the_last_block_of_flags_are_allowed(count: int) -> None:
    mask = SlotMask.of(np.zeros(count, np.bool_))
    blocks = -(-count // BLOCK_SLOTS)

    assert len(mask.blocks) == blocks
    assert mask.allowed(3 * BLOCK_SLOTS) == (3 - blocks) * BLOCK_SLOTS
    assert mask.without([2 * BLOCK_SLOTS + 1]).allowed(3 * BLOCK_SLOTS) == (3 - blocks) * BLOCK_SLOTS - 1


@given(steps=removals)
def test_removing_again_changes_nothing(steps: list[list[int]]) -> None:
    mask, gone = _after(steps)

    again = mask.without(sorted(gone))

    assert again.dead == mask.dead
    np.testing.assert_array_equal(again.flat(), mask.flat())

"""The small kernels under a walk: packed entries, the sorted pool, marks by epoch, and dot products of rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.index.arrays import readonly
from pergamum.index.hnsw.graph import EPOCH, NONE, scratch
from tests.support.kernels import prepare_kernels

keys = st.floats(width=32, allow_nan=False)
slots = st.integers(0, 2**31 - 1)


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    prepare_kernels()


@given(pairs=st.lists(st.tuples(keys | st.sampled_from([0.0, 1.0, -1.0]), slots | st.integers(0, 3)), max_size=40))
def test_packed_entries_sort_as_their_keys_and_slots(pairs: list[tuple[float, int]]) -> None:
    from pergamum.index.hnsw.pool_kernels import key_of, packed, slot_of

    pairs = [(key + 0.0, slot) for key, slot in pairs]  # -0.0 sorts before 0.0, which Python calls equal

    entries = sorted(int(packed(np.float32(key), slot)) for key, slot in pairs)

    assert [(key_of(np.uint64(each)), slot_of(np.uint64(each))) for each in entries] == sorted(pairs)
    assert all(0 <= each < 2**64 and each % 2 == 0 for each in entries)


def test_an_expanded_entry_keeps_its_key_slot_and_place() -> None:
    from pergamum.index.hnsw.pool_kernels import EXPANDED, key_of, packed, slot_of

    entry, after = np.uint64(packed(np.float32(-1.5), 7)), np.uint64(packed(np.float32(-1.5), 8))

    assert (key_of(entry | EXPANDED), slot_of(entry | EXPANDED)) == (-1.5, 7)
    assert entry < entry | EXPANDED < after


@given(entries=st.lists(st.integers(0, 2**64 - 1), max_size=30), asked=st.integers(0, 2**64 - 1))
def test_the_place_of_an_entry_is_the_number_of_smaller_ones(entries: list[int], asked: int) -> None:
    from pergamum.index.hnsw.pool_kernels import place_of

    pool = np.array(sorted(entries), dtype=np.uint64)

    for entry in (asked, *entries):
        assert place_of(pool, len(pool), np.uint64(entry)) == sum(each < entry for each in entries)


@given(entries=st.lists(st.integers(0, 2**64 - 1), unique=True, max_size=60), most=st.integers(1, 20))
def test_the_pool_keeps_the_smallest_in_order(entries: list[int], most: int) -> None:
    from pergamum.index.hnsw.pool_kernels import insert

    pool, size = np.zeros(most, dtype=np.uint64), 0

    for done, entry in enumerate(entries):
        if size < most or entry < pool[size - 1]:
            place = insert(pool, size, most, np.uint64(entry))
            size = min(size + 1, most)
            assert pool[place] == entry
        assert pool[:size].tolist() == sorted(entries[: done + 1])[:most]


def test_what_is_not_expanded_is_found_in_order() -> None:
    from pergamum.index.hnsw.pool_kernels import next_unexpanded

    pool = np.array([1, 3, 4, 7, 8], dtype=np.uint64)  # odd: expanded

    assert [next_unexpanded(pool, place, 5) for place in range(6)] == [2, 2, 2, 4, 4, 5]
    assert next_unexpanded(pool, 3, 4) == 4


def test_epochs_that_run_out_forget_everything() -> None:
    from pergamum.index.hnsw.kernels import new_epoch

    own = scratch(5, 64, 10)
    own.marks[:3] = [1, 254, 255]

    own.state[EPOCH] = 254
    new_epoch(own)
    assert (own.state[EPOCH], own.marks.tolist()) == (255, [1, 254, 255, 0, 0])

    new_epoch(own)
    assert (own.state[EPOCH], own.marks.tolist()) == (1, [0] * 5)


def test_a_list_is_gathered_once() -> None:
    from pergamum.index.hnsw.kernels import gather, new_epoch

    links = readonly(np.array([[1, 3, 2, NONE, 4, 4], [3, 0, 1, 5, 2, 4]], dtype=np.uint32))
    own = scratch(6, 64, 10)
    new_epoch(own)

    first = own.fresh[: gather(links, 0, own)].tolist()
    second = own.fresh[: gather(links, 1, own)].tolist()

    assert (first, second) == ([1, 3, 2], [0, 5, 4])


def test_a_filtered_list_is_replaced_by_what_lies_beyond() -> None:
    from pergamum.index.hnsw.kernels import gather_allowed, new_epoch

    links = np.full((6, 3), NONE)
    links[0], links[1, :2], links[2, :2] = [1, 2, 3], [4, 0], [5, 4]
    own, flags = scratch(6, 64, 10), readonly(np.array([0, 0, 1, 0, 1, 1], dtype=np.bool_))
    new_epoch(own)

    found = own.fresh[: gather_allowed(readonly(links), 0, flags, own)].tolist()

    assert found == [4, 2]  # beyond 1 lies 4; 2 is allowed itself; beyond 3 lies nothing


@given(
    lines=st.integers(1, 4),
    count=st.integers(0, 40),
    extreme=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_both_bodies_of_the_dot_products_agree_with_numpy(lines: int, count: int, extreme: bool, seed: int) -> None:
    from pergamum.index.brute_force.kernels import BODY
    from pergamum.index.row_kernels import portable_row_dots, row_dots

    random, stride = np.random.default_rng(seed), 64 * lines
    codes = random.choice([0, 1, 128, 255], (20, stride)) if extreme else random.integers(0, 256, (20, stride))
    query = random.choice([-128, 127], stride) if extreme else random.integers(-128, 128, stride)
    rows, asked = codes.astype(np.uint8), query.astype(np.int8)
    chosen = random.integers(0, 20, count).astype(np.uint32)
    portable, special = np.full(count + 1, -1, np.int32), np.full(count + 1, -1, np.int32)

    portable_row_dots(readonly(rows), chosen, count, asked, portable)
    row_dots(BODY, readonly(rows), chosen, count, asked, special)

    expected = codes[chosen].astype(np.int64) @ query.astype(np.int64)
    np.testing.assert_array_equal(portable, [*expected, -1])
    np.testing.assert_array_equal(special, portable)


@given(start=st.integers(0, 30), length=st.integers(0, 64), known=st.integers(0, 60), seed=st.integers(0, 1000))
def test_allowed_slots_of_a_range(start: int, length: int, known: int, seed: int) -> None:
    from pergamum.index.row_kernels import allowed_of, is_allowed

    flags = np.random.default_rng(seed).random(known) < 0.5
    found = np.empty(65, dtype=np.uint32)

    count = allowed_of(readonly(flags), start, start + length, found)

    expected = [slot for slot in range(start, start + length) if slot >= known or flags[slot]]
    assert found[:count].tolist() == expected
    assert [slot for slot in range(start, start + length) if is_allowed(readonly(flags), slot)] == expected


@given(size=st.integers(0, 8), full=st.booleans(), other=st.integers(0, 12))
def test_linking_adds_once_and_replaces_the_last(size: int, full: bool, other: int) -> None:
    from pergamum.index.hnsw.build_kernels import link

    size = 8 if full else size
    out = np.full((2, 8), NONE)
    out[1, :size] = range(size)

    link(out, 1, other)

    held = list(range(size))
    expected = held if other in held else [*held[:7], other]
    assert out[1].tolist() == expected + [int(NONE)] * (8 - len(expected))
    assert (out[0] == NONE).all()

"""Selecting partitions and candidates by counting, against NumPy; the bodies in registers against the loops."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import types

from pergamum.index.arrays import readonly
from pergamum.index.ivf.assembly import by_label
from pergamum.index.ivf.layout import Shape
from pergamum.index.ivf.params import MOST_PARTITIONS
from pergamum.index.ivf.scratch import TRAIL, Scratch, scratch
from pergamum.index.jit import I8, Whole, kernel
from tests.support.kernels import compiled_only, prepare_kernels

SEEDS = st.integers(0, 2**32 - 1)
SHAPE = Shape(100, 4, 1, 20_000)


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    prepare_kernels()


WIDE: dict[str, type[np.generic]] = {
    "digits": np.int8,
    "seen": np.uint8,
    "tables": np.uint8,
    "marks": np.uint8,
    "sums": np.uint16,
    "order": np.int64,
    "counts": np.int64,
    "facts": np.float64,
}
WIDE |= dict.fromkeys(("products", "keys", "found", "ranks", "trail"), np.int32)
"""The scalars of a scratch that are no float32."""


def opened(space: npt.NDArray[np.uint8]) -> Scratch:
    """The arrays of a scratch, each up to where the next begins; `near` says how many partitions there are."""
    places = space[: 8 * (len(Scratch._fields) + 1)].view(np.int64).tolist()
    parts = {
        name: space[start:stop].view(WIDE.get(name, np.float32))
        for name, start, stop in zip(Scratch._fields, places[:-1], places[1:], strict=True)
    }
    return Scratch(**(parts | {"near": parts["near"][: SHAPE.partitions]}))


def numbers(kind: str, count: int, seed: int) -> npt.NDArray[np.float32]:
    """Scores; `ties`: few of them, zeros of both signs; `far`: of any size."""
    random = np.random.default_rng(seed)
    if kind == "ties":
        return random.choice([-1.0, -0.0, 0.0, 2.0], count).astype(np.float32)
    return (random.standard_normal(count) * (10.0 ** random.integers(-38, 38, count))).astype(np.float32)


KINDS = st.sampled_from(["ties", "far"])


@given(KINDS, st.integers(2, 100), SEEDS)
def test_ranks_are_in_the_order_of_scores_and_lead_back(kind: str, count: int, seed: int) -> None:
    from pergamum.index.ivf.select_kernels import rank_of, score_of, to_ranks

    scores = numbers(kind, count, seed)
    ranks = scores.view(np.int32).copy()

    to_ranks(ranks)

    below, above = np.meshgrid(scores, scores)
    assert (ranks[None, :] < ranks[:, None])[below < above].all()
    assert [rank_of(score) for score in scores] == ranks.tolist()
    assert [np.float32(score_of(np.int32(rank))).tobytes() for rank in ranks] == [score.tobytes() for score in scores]


@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 90), st.booleans(), SEEDS)
def test_as_many_ranks_as_wanted_reach_the_least(count: int, wanted: int, more: int, ties: bool, seed: int) -> None:
    from pergamum.index.ivf.select_kernels import least_between, least_of

    random = np.random.default_rng(seed)
    ranks = np.full(384, 77, np.int32)
    ranks[:count] = random.integers(-3 if ties else -(2**31) + 1, 3 if ties else 2**31, count)
    chosen, wanted = ranks[:count].copy(), min(count, wanted)

    least = least_of(ranks, count, wanted)
    rough = least_between(ranks, count, wanted, wanted + more)

    assert np.count_nonzero(chosen >= least) >= wanted
    assert np.count_nonzero(chosen > least) <= wanted
    assert np.count_nonzero(chosen >= rough) >= wanted
    assert np.count_nonzero(chosen > rough) <= wanted + more
    np.testing.assert_array_equal(ranks[:count], chosen)


@given(KINDS, st.integers(1, 250), st.integers(1, 250), SEEDS)
def test_the_best_candidates_come_to_the_front_and_the_others_can_be_left_out(
    kind: str, count: int, wanted: int, seed: int
) -> None:
    from pergamum.index.ivf.select_kernels import keep_reaching, rank_of, to_front, to_ranks

    own, wanted = opened(scratch(SHAPE, 100)), min(count, wanted)
    scores = numbers(kind, count, seed)
    own.scores[:count], own.found[:count] = scores, np.arange(count)
    own.ranks[:count] = scores.view(np.int32)
    to_ranks(own.ranks[:count])
    floor = scores[seed % count]

    to_front(count, wanted, own)

    np.testing.assert_array_equal(np.sort(own.scores[:wanted]), np.sort(scores)[count - wanted :])
    np.testing.assert_array_equal(own.scores[:count], scores[own.found[:count]])
    before = own.found[:count].copy()
    size = keep_reaching(0, count, rank_of(floor), own)
    kept = [slot for slot in before.tolist() if rank_of(scores[slot]) >= rank_of(floor)]
    assert own.found[:size].tolist() == kept


@given(KINDS, st.integers(1, 100), SEEDS)
def test_the_most_promising_partitions_are_chosen(kind: str, effort: int, seed: int) -> None:
    from pergamum.index.ivf.aim_kernels import choose
    from pergamum.index.ivf.select_kernels import to_ranks

    own = opened(scratch(SHAPE, 10))
    own.keys[:100] = numbers(kind, 100, seed).view(np.int32)
    to_ranks(own.keys[:100])
    keys = own.keys[:100].copy()

    choose(effort, own)

    order = own.order[:effort]
    assert len(set(order.tolist())) == effort
    np.testing.assert_array_equal(np.sort(keys[order]), np.sort(keys)[100 - effort :])
    assert keys[order[0]] == keys.max()


@pytest.mark.parametrize("count", [10, TRAIL, TRAIL + 1])
def test_marks_are_taken_back_however_many(count: int) -> None:
    from pergamum.index.ivf.scan_kernels import forget, mark

    own = opened(scratch(SHAPE, 10))
    slots = np.random.default_rng(count).permutation(20_000)[:count].tolist()

    first, again = ([mark(slot, own) for slot in slots] for _ in range(2))
    forget(own)

    assert all(first)
    assert not any(again)
    assert not own.marks.any()


@pytest.fixture(scope="module")
def in_registers(kernels: None) -> tuple[Callable[..., int], Callable[..., int], Callable[..., None]]:
    """`reaching`, `reached` and `entries` as functions: by themselves they live inside kernels only."""
    from pergamum.index.ivf import fastscan
    from pergamum.index.ivf.views import F4, I4S, U1S
    from pergamum.index.jit import array

    @kernel(types.uint64, I4S, I8, types.int32)
    def bits_of(keys: Whole, start: Whole, least: Whole) -> Whole:
        return fastscan.reaching(keys, start, least)

    @kernel(I8, I4S, I8, types.int32)
    def count_of(keys: Whole, stop: Whole, least: Whole) -> Whole:
        return fastscan.reached(keys, stop, least)

    @kernel(types.void, array(F4, 3, readonly=True), I8, types.UniTuple(F4, 4), U1S)
    def fill(books: Whole, code: Whole, terms: Whole, tables: Whole) -> None:
        fastscan.entries(books, code, terms, tables)

    return bits_of, count_of, fill


@compiled_only
@given(st.integers(0, 70), SEEDS)
def test_keys_are_compared_in_registers_as_in_loops(
    in_registers: tuple[Callable[..., int], ...], start: int, seed: int
) -> None:
    from pergamum.index.ivf.fastscan import _looped_reached, _looped_reaching

    keys = np.random.default_rng(seed).integers(-(2**31), 2**31, 192).astype(np.int32)
    least = keys[seed % 192]

    assert int(in_registers[0](keys, start, least)) == _looped_reaching(keys, start, least)
    assert in_registers[1](keys, 128, least) == _looped_reached(keys, 128, least)


@compiled_only
@given(st.sampled_from([0.0, 1e-3, 1.0, 1e15]), st.sampled_from([7.0, 63.0]), SEEDS)
def test_tables_are_the_same_in_registers(
    in_registers: tuple[Callable[..., None], ...], size: float, top: float, seed: int
) -> None:
    from pergamum.index.ivf.fastscan import _looped_entries

    random = np.random.default_rng(seed)
    books = (random.standard_normal((3, 2, 16)) * size).astype(np.float32)
    terms = (*(random.standard_normal(3) * 40).astype(np.float32), np.float32(top))
    found, same = np.zeros(48, np.uint8), np.zeros(48, np.uint8)

    for code in range(3):
        in_registers[2](readonly(books), code, terms, found)
        _looped_entries(books, code, terms, same)

    np.testing.assert_array_equal(found, same)
    assert found.max() <= top


@compiled_only
@pytest.mark.parametrize("digit", [-127, 127])
def test_sums_of_the_longest_vectors_do_not_wrap(digit: int) -> None:
    from pergamum.index.ivf.tiles import BODY, PORTABLE, tile_dots

    tiles, digits = np.full((1, 4_096, 256), 255, np.uint8), np.full(16_384, digit, np.int8)

    for body in {BODY, PORTABLE}:
        sums = np.zeros(64, np.int32)
        tile_dots(body, readonly(tiles), digits, sums)
        assert (sums == 255 * 16_384 * digit).all()


@given(st.integers(1, 3), st.integers(1, 40), st.sampled_from(["random", "lowest", "highest"]), SEEDS)
def test_every_body_multiplies_tiles(count: int, units: int, kind: str, seed: int) -> None:
    from pergamum.index.ivf.tiles import BODY, PORTABLE, tile_dots

    random = np.random.default_rng(seed)
    rows = random.integers(0, 256, (64 * count, 4 * units)).astype(np.uint8)
    rows = {"random": rows, "lowest": 0 * rows, "highest": 0 * rows + np.uint8(255)}[kind]
    digits = random.integers(-127, 128, 4 * units).astype(np.int8)
    tiles = rows.reshape(count, 64, units, 4).transpose(0, 2, 1, 3).reshape(count, units, 256)

    for body in {BODY, PORTABLE}:
        sums = np.full(64 * count, 7, np.int32)
        tile_dots(body, readonly(np.ascontiguousarray(tiles)), digits, sums)
        np.testing.assert_array_equal(sums, rows.astype(np.int32) @ digits.astype(np.int32))


@given(st.lists(st.sampled_from([0, 1, 2, 255, 256, 32_768, MOST_PARTITIONS - 1]), max_size=60))
def test_labels_are_sorted_and_equal_ones_stay_in_order(labels: list[int]) -> None:
    order = by_label(np.array(labels, np.int64))
    assert order.tolist() == sorted(range(len(labels)), key=labels.__getitem__)

"""The kernels of partitions against plain NumPy, and the special body against the portable one."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import types

from pergamum.index.arrays import readonly
from pergamum.index.ivf.layout import packed, unpacked
from pergamum.index.jit import I8, Whole, kernel
from tests.support.kernels import compiled_only, prepare_kernels

SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    prepare_kernels()


@given(st.integers(0, 300), st.integers(1, 20), SEEDS)
def test_codes_come_back_from_their_blocks(count: int, pairs: int, seed: int) -> None:
    codes = np.random.default_rng(seed).integers(0, 16, (count, 2 * pairs), dtype=np.uint8)

    np.testing.assert_array_equal(unpacked(packed(codes), 2 * pairs)[:count], codes)


@given(st.sampled_from([1, 2, 25, 128, 400]), st.sampled_from(["random", "lowest", "highest"]), SEEDS)
def test_every_body_adds_up_the_look_ups(pairs: int, kind: str, seed: int) -> None:
    from pergamum.index.ivf.kernels import BODY, PORTABLE, fastscan_sums

    random = np.random.default_rng(seed)
    codes = random.integers(0, 16, (128, 2 * pairs), dtype=np.uint8)
    top = min(255, 65_535 // (2 * pairs))
    tables = random.integers(0, top + 1, (2 * pairs, 16)).astype(np.uint8)
    tables = {"random": tables, "lowest": 0 * tables, "highest": 0 * tables + np.uint8(top)}[kind]
    expected = tables[np.arange(2 * pairs), codes].sum(axis=1, dtype=np.int64).reshape(2, 64)

    for body in {BODY, PORTABLE}:
        for block in (0, 1):
            sums = np.full(64, 7, np.uint16)
            fastscan_sums(body, readonly(packed(codes)), block * 64 * pairs, pairs, tables.reshape(-1), sums)
            np.testing.assert_array_equal(sums, expected[block])


@compiled_only
@pytest.mark.parametrize("width", [64, 32])
def test_registers_of_each_width_add_up_the_same(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from numba import njit

    from pergamum.index.ivf import fastscan

    chosen = [usable for usable in fastscan._USABLE if usable[0] == width]
    if not chosen:
        return  # this processor has no such registers: nobody would compile for them here
    monkeypatch.setattr(fastscan, "_USABLE", chosen)
    special = fastscan.special_sums

    def plain(codes: Whole, start: Whole, pairs: Whole, tables: Whole, sums: Whole) -> None:
        special(codes, start, pairs, tables, sums)

    summed: Callable[..., None] = njit()(plain)
    random = np.random.default_rng(width)
    codes, tables = random.integers(0, 16, (128, 50), dtype=np.uint8), random.integers(0, 256, (50, 16), dtype=np.uint8)
    sums = np.zeros(64, np.uint16)

    summed(readonly(packed(codes)), 64 * 25, 25, tables.reshape(-1), sums)

    np.testing.assert_array_equal(sums, tables[np.arange(50), codes[64:]].sum(axis=1, dtype=np.int64))


@pytest.fixture(scope="module")
def bit_kernels(kernels: None) -> tuple[Callable[..., int], Callable[..., int]]:
    """`survivors` and `lowest` as functions: by themselves they live inside kernels only."""
    from pergamum.index.ivf.fastscan import lowest, survivors
    from pergamum.index.ivf.kernels import U2S

    @kernel(types.uint64, U2S, types.uint16)
    def bits_of(sums: Whole, floor: Whole) -> Whole:
        return survivors(sums, floor)

    @kernel(I8, types.uint64)
    def lowest_of(bits: Whole) -> Whole:
        return lowest(bits)

    return bits_of, lowest_of


@compiled_only
@given(SEEDS, st.integers(0, 65_535))
def test_survivors_are_those_that_reach_the_floor(
    bit_kernels: tuple[Callable[..., int], Callable[..., int]], seed: int, floor: int
) -> None:
    from pergamum.index.ivf.fastscan import _looped_lowest, _looped_survivors

    survivors, lowest = bit_kernels
    sums = np.random.default_rng(seed).integers(0, 65_536, 64).astype(np.uint16)
    sums[seed % 64] = floor
    bits = int(survivors(sums, np.uint16(floor)))

    assert bits == _looped_survivors(sums, floor)
    assert [bits >> j & 1 for j in range(64)] == (sums >= floor).astype(int).tolist()
    assert lowest(np.uint64(bits)) == _looped_lowest(bits) == int(np.flatnonzero(sums >= floor)[0])


@given(st.integers(1, 200), SEEDS, st.booleans())
def test_the_best_scores_come_to_the_front(count: int, seed: int, ties: bool) -> None:
    from pergamum.index.ivf.kernels import keep_best

    random = np.random.default_rng(seed)
    scores = (random.integers(0, 5, count) if ties else random.standard_normal(count)).astype(np.float32)
    wanted = int(random.integers(1, count + 1))
    start = int(random.integers(0, 5))
    before = np.full(start, np.inf, np.float32)
    kept, slots = np.concatenate([before, scores]), np.arange(-start, count, dtype=np.int32)

    least = keep_best(kept, slots, start, start + count, wanted)

    kept, slots = kept[start:], slots[start:]
    np.testing.assert_array_equal(np.sort(kept[:wanted]), np.sort(scores)[count - wanted :])
    np.testing.assert_array_equal(kept, scores[slots])
    assert least == kept[:wanted].min()


@given(st.integers(1, 40), st.integers(1, 9), SEEDS)
def test_labels_are_the_nearest_centroids(count: int, centers: int, seed: int) -> None:
    from pergamum.index.ivf.build_kernels import label

    random = np.random.default_rng(seed)
    x, centroids = (random.standard_normal((rows, 6)).astype(np.float32) for rows in (count, centers))
    labels = np.empty(count, np.int64)

    halves = ((centroids**2).sum(axis=1) / 2).astype(np.float32)
    label(readonly(x), readonly(np.ascontiguousarray(centroids.T)), readonly(halves), labels)

    gaps = ((x[:, None].astype(np.float64) - centroids) ** 2).sum(axis=2)
    np.testing.assert_allclose(gaps[np.arange(count), labels], gaps.min(axis=1), rtol=1e-4, atol=1e-5)


@given(st.integers(1, 40), SEEDS)
def test_codes_name_the_nearest_points(count: int, seed: int) -> None:
    from pergamum.index.ivf.build_kernels import encode

    random = np.random.default_rng(seed)
    x, centroids = (random.standard_normal((rows, 4)).astype(np.float32) for rows in (count, 3))
    labels, books = random.integers(0, 3, count), random.standard_normal((2, 16, 2)).astype(np.float32)
    codes = np.empty((count, 2), np.uint8)

    encode(readonly(x), readonly(centroids), readonly(labels), readonly(books), codes)

    parts = (x - centroids[labels]).reshape(count, 2, 1, 2)
    gaps = ((parts.astype(np.float64) - books) ** 2).sum(axis=3)
    np.testing.assert_allclose(
        np.take_along_axis(gaps, codes[:, :, None].astype(np.int64), axis=2)[:, :, 0], gaps.min(axis=2), rtol=1e-4
    )

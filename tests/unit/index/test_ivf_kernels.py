"""The kernels of partitions against plain NumPy, and the special body against the portable one."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import types

from pergamum.domain.vectors import Metric
from pergamum.index.arrays import readonly
from pergamum.index.base import Route, Strategy
from pergamum.index.ivf.assembly import centers_of, halves_of
from pergamum.index.ivf.index import IvfIndex
from pergamum.index.ivf.layout import packed, unpacked
from pergamum.index.ivf.params import IvfParams
from pergamum.index.jit import I8, Whole, kernel
from tests.support.built import ALL, assert_lawful, quiet, truth
from tests.support.kernels import compiled_only, prepare_kernels

SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    prepare_kernels()


@given(st.integers(0, 5), st.integers(1, 20), SEEDS)
def test_codes_come_back_from_their_blocks(blocks: int, pairs: int, seed: int) -> None:
    codes = np.random.default_rng(seed).integers(0, 16, (64 * blocks, 2 * pairs), dtype=np.uint8)

    np.testing.assert_array_equal(unpacked(packed(codes)), codes)


@given(st.sampled_from([1, 2, 3, 25, 128, 601]), st.sampled_from(["random", "lowest", "highest"]), SEEDS)
def test_every_body_adds_up_the_look_ups(pairs: int, kind: str, seed: int) -> None:
    from pergamum.index.ivf.scan_kernels import BODY, PORTABLE, fastscan_sums

    random = np.random.default_rng(seed)
    codes = random.integers(0, 16, (128, 2 * pairs), dtype=np.uint8)
    top = min(63, 65_535 // (2 * pairs))
    tables = random.integers(0, top + 1, (2 * pairs, 16)).astype(np.uint8)
    tables = {"random": tables, "lowest": 0 * tables, "highest": 0 * tables + np.uint8(top)}[kind]
    expected = tables[np.arange(2 * pairs), codes].sum(axis=1, dtype=np.int64).reshape(2, 64)

    for body in {BODY, PORTABLE}:
        for block in (0, 1):
            sums = np.full(64, 7, np.uint16)
            fastscan_sums(
                body, readonly(packed(codes).reshape(-1)), block * 64 * pairs, pairs, tables.reshape(-1), sums
            )
            np.testing.assert_array_equal(sums, expected[block])


@compiled_only
@pytest.mark.parametrize("width", [64, 32])
def test_registers_of_each_width_add_up_the_same(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from numba import njit

    from pergamum.index.ivf import fastscan
    from pergamum.index.registers import SHUFFLES

    chosen = [usable for usable in SHUFFLES if usable[0] == width]
    if not chosen:
        return  # this processor has no such registers: nobody would compile for them here
    monkeypatch.setattr(fastscan, "SHUFFLES", chosen)
    special = fastscan.special_sums

    def plain(codes: Whole, start: Whole, pairs: Whole, tables: Whole, sums: Whole) -> None:
        special(codes, start, pairs, tables, sums)

    summed: Callable[..., None] = njit()(plain)
    random = np.random.default_rng(width)
    codes, tables = random.integers(0, 16, (128, 50), dtype=np.uint8), random.integers(0, 64, (50, 16), dtype=np.uint8)
    sums = np.zeros(64, np.uint16)

    summed(readonly(packed(codes).reshape(-1)), 64 * 25, 25, tables.reshape(-1), sums)

    np.testing.assert_array_equal(sums, tables[np.arange(50), codes[64:]].sum(axis=1, dtype=np.int64))


@pytest.fixture(scope="module")
def bit_kernels(kernels: None) -> tuple[Callable[..., int], Callable[..., int]]:
    """`survivors` and `lowest` as functions: by themselves they live inside kernels only."""
    from pergamum.index.ivf.fastscan import survivors
    from pergamum.index.ivf.scan_kernels import TERMS
    from pergamum.index.ivf.views import F4, F4S, U2S
    from pergamum.index.registers import lowest

    @kernel(types.uint64, U2S, F4S, TERMS, F4, F4S)
    def bits_of(sums: Whole, numbers: Whole, terms: Whole, floor: Whole, scores: Whole) -> Whole:
        return survivors(sums, numbers, terms, floor, scores)

    @kernel(I8, types.uint64)
    def lowest_of(bits: Whole) -> Whole:
        return lowest(bits)

    return bits_of, lowest_of


@compiled_only
@given(SEEDS, st.sampled_from([0.0, 1.0, 1e15]))
def test_survivors_are_those_that_reach_the_floor(
    bit_kernels: tuple[Callable[..., int], Callable[..., int]], seed: int, size: float
) -> None:
    from pergamum.index.ivf.fastscan import _looped_survivors
    from pergamum.index.registers import looped_lowest

    survivors, lowest = bit_kernels
    random = np.random.default_rng(seed)
    sums = random.integers(0, 65_536, 64).astype(np.uint16)
    numbers = (random.standard_normal(192) * size).astype(np.float32)
    terms = tuple(random.standard_normal(3).astype(np.float32))
    scores, same = np.zeros(64, np.float32), np.zeros(64, np.float32)
    _looped_survivors(sums, numbers, terms, np.float32(0), scores)
    floor = scores[seed % 64]

    bits = int(survivors(sums, numbers, terms, floor, same))

    assert same.tobytes() == scores.tobytes()
    assert bits == _looped_survivors(sums, numbers, terms, floor, scores)
    assert [bits >> j & 1 for j in range(64)] == (scores >= floor).astype(int).tolist()
    assert lowest(np.uint64(bits)) == looped_lowest(bits) == int(np.flatnonzero(scores >= floor)[0])


@given(st.integers(1, 40), st.integers(1, 9), SEEDS)
def test_labels_are_the_nearest_centroids_as_far_as_8_bits_tell(count: int, centers: int, seed: int) -> None:
    from pergamum.index.ivf.build_kernels import label, label_twice

    random = np.random.default_rng(seed)
    x, centroids = (random.standard_normal((rows, 8)).astype(np.float32) for rows in (count, centers))
    labels = np.empty(count, np.int64)
    codes, scales = centers_of(centroids)

    label(readonly(x), readonly(codes), readonly(scales), readonly(halves_of(centroids)), labels)

    both = np.empty((2, count), np.int64)
    if centers > 1:
        halves = readonly(halves_of(centroids))
        label_twice(readonly(x), readonly(centroids), readonly(codes), readonly(scales), halves, both)
        np.testing.assert_array_equal(both[0], labels)
        assert (both[1] != labels).all()

    gaps = ((x[:, None].astype(np.float64) - centroids) ** 2).sum(axis=2)
    off = np.abs(x).max(axis=1) / 254 * np.abs(centroids).sum(axis=1).max() + scales.max() / 2 * np.abs(x).sum(axis=1)
    assert (gaps[np.arange(count), labels] <= gaps.min(axis=1) + 5 * off).all()


@given(st.integers(1, 40), st.integers(2, 70), SEEDS)
def test_a_second_label_lies_across_the_first_residual(count: int, centers: int, seed: int) -> None:
    from pergamum.index.ivf.build_kernels import SPILL, label_twice

    random = np.random.default_rng(seed)
    x, centroids = (random.standard_normal((rows, 12)).astype(np.float32) for rows in (count, centers))
    codes, scales = centers_of(centroids)
    labels = np.empty((2, count), np.int64)

    halves = readonly(halves_of(centroids))
    label_twice(readonly(x), readonly(centroids), readonly(codes), readonly(scales), halves, labels)

    every, rows = x[:, None].astype(np.float64) - centroids, np.arange(count)
    first = every[rows, labels[0]]
    along = np.einsum("ij,ikj->ik", first, every) / np.linalg.norm(first, axis=1)[:, None]
    losses = (every**2).sum(axis=2) + float(SPILL) * along**2
    losses[rows, labels[0]] = np.inf
    assert (losses[rows, labels[1]] <= 1.1 * losses.min(axis=1) + 0.5).all()  # 8 bits of both tell no better


def test_a_second_label_is_another_one_even_where_the_residual_has_next_to_no_length() -> None:
    from pergamum.index.ivf.build_kernels import label_twice

    x, centroids = np.full((1, 4), 1e-20, np.float32), np.array([[0] * 4, [1] * 4, [-1] * 4], np.float32)
    codes, scales = centers_of(centroids)
    labels = np.empty((2, 1), np.int64)

    halves = readonly(halves_of(centroids))
    label_twice(readonly(x), readonly(centroids), readonly(codes), readonly(scales), halves, labels)

    assert labels[0, 0] == 0
    assert labels[1, 0] in (1, 2)


@given(st.integers(1, 40), SEEDS)
def test_codes_name_the_nearest_points(count: int, seed: int) -> None:
    from pergamum.index.ivf.build_kernels import encode

    random = np.random.default_rng(seed)
    x, centroids = (random.standard_normal((rows, 4)).astype(np.float32) for rows in (count, 3))
    labels, books = random.integers(0, 3, count), random.standard_normal((2, 2, 16)).astype(np.float32)
    codes = np.empty((count, 2), np.uint8)

    encode(readonly(x), readonly(centroids), readonly(labels), readonly(books), codes)

    parts = (x - centroids[labels]).reshape(count, 2, 2, 1)
    gaps = ((parts.astype(np.float64) - books) ** 2).sum(axis=2)
    np.testing.assert_allclose(
        np.take_along_axis(gaps, codes[:, :, None].astype(np.int64), axis=2)[:, :, 0], gaps.min(axis=2), rtol=1e-4
    )


@pytest.mark.parametrize("metric", list(Metric))
def test_a_search_runs_where_nothing_is_compiled_too(metric: Metric) -> None:
    vectors = np.random.default_rng(1).standard_normal((90, 5)).astype(np.float32)
    index = IvfIndex.build(vectors, metric, ALL, IvfParams(3), quiet())

    one, every = (index.search(vectors[:2], 4, vectors, ALL, Route(Strategy.PARTITIONS, effort)) for effort in (1, 3))

    assert_lawful(one, metric, vectors[:2], 4, vectors, ALL)
    assert_lawful(every, metric, vectors[:2], 4, vectors, ALL)
    assert every.slots.tolist() == truth(metric, vectors[:2], 4, vectors, ALL).slots.tolist()

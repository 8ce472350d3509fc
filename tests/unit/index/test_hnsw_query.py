"""What a query of the wide layout begins with: its rotation, its largest number, its tables; all against NumPy."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import types

from pergamum.index.arrays import readonly
from pergamum.index.hnsw.wide import patterns_of
from pergamum.index.jit import I8, Whole, array, kernel
from tests.support.kernels import compiled_only, prepare_kernels
from tests.support.rotated import rotation

SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    prepare_kernels()


@compiled_only
@pytest.mark.parametrize("dimension", [1, 16, 30, 100, 384, 784, 1000])
def test_a_rotation_keeps_lengths_and_mixes_everything(dimension: int) -> None:
    turned = rotation(dimension)

    np.testing.assert_allclose(turned.T @ turned, np.eye(len(turned)), atol=1e-5)
    assert np.mean(turned == 0, axis=0).max() <= 0.5  # of 16 numbers sums are multiples of 1 / 8, some of them 0
    assert np.abs(turned).max() <= 0.9


REGISTERS = st.integers(1, 20)


@given(REGISTERS, st.integers(0, 2), SEEDS)
def test_lanes_are_those_of_numpy(registers: int, turn: int, seed: int) -> None:
    from pergamum.index.hnsw import rotation_kernels as turning

    random = np.random.default_rng(seed)
    x, signs = (random.standard_normal(shape).astype(np.float32) for shape in (16 * registers, (3, 16 * registers)))
    expected = x.copy()

    compiled_mixing(turning.lanes, turning.SIGNS)(x, readonly(signs), turn)
    turning._looped_lanes(expected, signs, turn)

    assert x.tobytes() == expected.tobytes()


@given(st.integers(1, 9), st.integers(0, 3), SEEDS)
def test_pairs_and_fours_are_those_of_numpy(gap: int, start: int, seed: int) -> None:
    from pergamum.index.hnsw import rotation_kernels as turning

    x = np.random.default_rng(seed).standard_normal(16 * (start + 4 * gap)).astype(np.float32)
    expected, steps = x.copy(), x.copy()

    compiled_mixing(turning.pairs, I8, I8, I8)(x, start, gap, gap)
    turning._looped_pairs(expected, start, gap, gap)
    assert x.tobytes() == expected.tobytes()

    compiled_mixing(turning.fours, I8, I8)(steps, start, gap)
    turning._looped_pairs(expected, start + 2 * gap, gap, gap)
    turning._looped_pairs(expected, start, 2 * gap, 2 * gap)
    assert steps.tobytes() == expected.tobytes()


def compiled_mixing(mixing: Callable[..., None], *others: object) -> Callable[..., None]:
    """A kernel that does nothing but call `mixing`."""
    if len(others) == 3:

        def plain(x: Whole, a: Whole, b: Whole, c: Whole) -> None:
            mixing(x, a, b, c)

        return kernel(types.void, array(types.float32, 1), *others)(plain)

    def shorter(x: Whole, a: Whole, b: Whole) -> None:
        mixing(x, a, b)

    return kernel(types.void, array(types.float32, 1), *(others if len(others) == 2 else (*others, I8)))(shorter)


@pytest.mark.parametrize("dimension", [7, 100, 384, 784, 1000])
def test_a_rotation_spreads_every_axis(dimension: int) -> None:
    turned = rotation(dimension)

    # 1 / d times the sum of fourth powers is 3 for random directions, d for one that was left where it was
    assert (turned**4).sum(axis=0).max() * len(turned) < 6


@given(st.integers(1, 9), SEEDS)
def test_the_largest_number_is_that_of_numpy(registers: int, seed: int) -> None:
    from pergamum.index.hnsw import query_tables

    x = (10.0 ** np.random.default_rng(seed).uniform(-40, 38, 16 * registers)).astype(np.float32)
    x[::3] *= -1
    chosen = query_tables.largest

    def plain(numbers: Whole) -> Whole:
        return chosen(numbers)

    found = kernel(types.float32, array(types.float32, 1))(plain)(x)

    assert np.float32(found) == np.abs(x).max()


@given(st.sampled_from([1, 2]), st.integers(1, 9), SEEDS)
def test_tables_are_those_of_numpy(bits: int, registers: int, seed: int) -> None:
    from pergamum.index.hnsw import query_tables

    padded = 16 * registers
    turned = np.append(np.random.default_rng(seed).standard_normal(padded), np.zeros(4)).astype(np.float32)
    peak = np.float32(np.abs(turned).max() * np.float32(4 // bits) * patterns_of(bits)[0, 15])
    tables, expected = (np.zeros(8 * padded * bits, np.uint8) for _ in range(2))
    chosen = query_tables.write_tables

    def plain(bits: Whole, turned: Whole, peak: Whole, scale: Whole, tables: Whole) -> None:
        chosen(bits, turned, peak, scale, tables)

    floats, bytes_ = array(types.float32, 1), array(types.uint8, 1)
    kernel(types.void, I8, floats, types.float32, types.float32, bytes_)(plain)(bits, turned, peak, 63 / peak, tables)
    query_tables._looped_tables(bits, turned, peak, np.float32(63 / peak), expected)

    np.testing.assert_array_equal(tables, expected)
    assert expected.max() <= 127


@given(st.sampled_from([1, 2]), st.sampled_from([16, 112, 400]), SEEDS)
def test_tables_add_up_to_the_product(bits: int, padded: int, seed: int) -> None:
    from pergamum.index.hnsw.wide_kernels import make_tables

    random = np.random.default_rng(seed)
    turned = np.append(random.standard_normal(padded), np.zeros(4)).astype(np.float32)
    tables, each = np.zeros(8 * padded * bits, np.uint8), 4 // bits

    low, step = make_tables(turned, bits, tables)

    codes = random.integers(0, 16, padded // each)
    z = patterns_of(bits)[:each].T[codes].reshape(-1)
    entries = tables.reshape(-1, 2, 2, 2, 16)  # register, low or high, half, copy, entry
    number = np.arange(len(codes))
    found = [entries[number // 4, number % 2, number // 2 % 2, copy, codes].sum(dtype=int) for copy in (0, 1)]
    assert found[0] == found[1]
    assert abs(low + step * found[0] - z @ turned[:padded]) <= 0.51 * step * len(codes)


def test_endless_queries_make_tables_that_tell_nothing() -> None:
    from pergamum.index.hnsw.wide_kernels import make_tables

    tables = np.full(8 * 16 * 2, 9, np.uint8)

    low, _ = make_tables(np.full(20, 3e38, np.float32), 2, tables)

    assert not np.isfinite(low)
    assert not tables.any()

"""The wide layout: its rotation, its codes and estimates against plain NumPy, the bodies, and what a search finds."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index.arrays import readonly
from pergamum.index.base import SCAN
from pergamum.index.hnsw import wide_build
from pergamum.index.hnsw.graph import ABSENT, NONE
from pergamum.index.hnsw.index import HnswIndex
from pergamum.index.hnsw.wide import (
    CODES,
    FACTORS,
    GROUP,
    LINKS,
    OFFSETS,
    bits_of,
    block_bytes,
    links_of,
    padded_of,
    patterns_of,
    registers_of,
)
from pergamum.index.jit import Whole
from tests.support.built import ALL, assert_same_graph, clustered, graph, quiet, recall, some_dead, truth, walked
from tests.support.kernels import KINDS, assert_same, compiled_only, hard_vectors, prepare_kernels, using
from tests.support.rotated import rotation

SEEDS = st.integers(0, 2**32 - 1)
WIDE = {"layout": "wide"}
metrics = pytest.mark.parametrize("metric", list(Metric))


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    prepare_kernels()


def part(index: HnswIndex, start: int, kind: type[np.generic]) -> npt.NDArray[np.generic]:
    """One of the arrays of 32 numbers of every block, (n, 32)."""
    each = index.wide.blocks.reshape(-1, block_bytes(index.dimension))[:, start : start + 4 * GROUP]
    return np.ascontiguousarray(each).view(kind)


def levels(index: HnswIndex, slot: int) -> npt.NDArray[np.float64]:
    """z of each neighbour in the block of a slot, (32, padded)."""
    bits = bits_of(index.dimension)
    codes = index.wide.blocks[slot, CODES:].reshape(-1, GROUP).T
    nibbles = np.stack([codes & 15, codes >> 4], axis=2).reshape(GROUP, -1)
    patterns = patterns_of(bits)[: 4 // bits].astype(np.float64)
    return patterns.T[nibbles].reshape(GROUP, -1)


def represented(vectors: Matrix, metric: Metric) -> npt.NDArray[np.float64]:
    wide = vectors.astype(np.float64)
    if metric is Metric.COSINE:
        wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    return np.pad(wide, ((0, 0), (0, padded_of(vectors.shape[1]) - vectors.shape[1])))


@given(st.sampled_from([1, 2, 7, 49, 130]), st.sampled_from(["random", "lowest", "highest"]), SEEDS)
def test_every_body_adds_up_a_block(registers: int, kind: str, seed: int) -> None:
    from pergamum.index.hnsw.wide_kernels import BODY, PORTABLE, sum_block

    random = np.random.default_rng(seed)
    blocks = random.integers(0, 256, (2, registers, 2, GROUP), dtype=np.uint8)
    top = min(127, 65_535 // (4 * registers))
    halves = random.integers(0, top + 1, (registers, 2, 2, 16)).astype(np.uint8)  # register, low or high, half, entry
    halves = {"random": halves, "lowest": 0 * halves, "highest": 0 * halves + np.uint8(top)}[kind]
    tables = np.repeat(halves[:, :, :, None], 2, axis=3).reshape(-1)
    run, half = np.arange(registers)[:, None, None], np.arange(2)[None, :, None]
    expected = [
        (halves[run, 0, half, block & 15].astype(int) + halves[run, 1, half, block >> 4]).sum(axis=(0, 1))
        for block in blocks
    ]

    for body in {BODY, PORTABLE}:
        for block in (0, 1):
            sums = np.full(GROUP, 7, np.uint16)
            sum_block(body, readonly(blocks.reshape(-1)), block * 64 * registers, registers, tables, sums, (64, 0))
            np.testing.assert_array_equal(sums, expected[block])


@compiled_only
@pytest.mark.parametrize("width", [64, 32])
def test_registers_of_each_width_add_up_a_block(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from numba import njit

    from pergamum.index.hnsw import block_sums
    from pergamum.index.hnsw.wide_kernels import portable_block_sums
    from pergamum.index.registers import SHUFFLES

    chosen = [usable for usable in SHUFFLES if usable[0] == width]
    if not chosen:
        return  # this processor has no such registers: nobody would compile for them here
    monkeypatch.setattr(block_sums, "SHUFFLES", chosen)
    special = block_sums.special_block_sums

    def plain(blocks: Whole, start: Whole, registers: Whole, tables: Whole, sums: Whole) -> None:
        special(blocks, start, registers, tables, sums, (np.int64(0), np.int64(64)))

    summed: Callable[..., None] = njit()(plain)
    random = np.random.default_rng(width)
    blocks, entries = (
        random.integers(0, 256, 64 * 8, dtype=np.uint8),
        random.integers(0, 128, (28, 1, 16), dtype=np.uint8),
    )
    tables = np.repeat(entries, 2, axis=1).reshape(-1)
    sums, expected = np.zeros(GROUP, np.uint16), np.zeros(GROUP, np.uint16)

    summed(readonly(blocks), 64, 7, tables, sums)
    portable_block_sums(readonly(blocks), 64, 7, tables, expected)

    np.testing.assert_array_equal(sums, expected)


@compiled_only
@given(
    size=st.sampled_from([1.0, 1e-44, 1e30, 3e37]),
    line=st.tuples(*[st.sampled_from([-np.inf, -1e30, -1.0, 0.0, 0.5, 1e30, np.inf, np.nan])] * 4),
    start=st.integers(0, 70),
    seed=SEEDS,
)
def test_estimates_in_registers_are_those_of_numpy(
    estimating: Callable[..., int], size: float, line: tuple[float, ...], start: int, seed: int
) -> None:
    """To the bit, which are below the limit too; infinite offsets, where there is no neighbour, never are."""
    from pergamum.index.hnsw.block_sums import _looped_estimates

    random, (key, low, step, limit) = np.random.default_rng(seed), map(np.float32, line)
    parts = (key, low, step, limit)
    blocks, sums = np.zeros(start + CODES + 64, np.uint8), random.integers(0, 65_536, GROUP).astype(np.uint16)
    factors, offsets = (random.standard_normal(GROUP) * size for _ in range(2))
    offsets[::5], factors[::7] = np.inf, 0.0
    for place, numbers in ((FACTORS, factors), (OFFSETS, offsets)):
        blocks[start + place : start + place + 4 * GROUP] = numbers.astype(np.float32).view(np.uint8)
    found, expected = np.zeros(GROUP, np.float32), np.zeros(GROUP, np.float32)

    bits = int(estimating(readonly(blocks), start, sums, parts, found))

    assert bits == _looped_estimates(blocks, start, sums, parts, expected)
    np.testing.assert_array_equal(found, expected)
    assert [bits >> j & 1 for j in range(GROUP)] == (expected < limit).astype(int).tolist()
    assert not any(bits >> j & 1 for j in range(0, GROUP, 5))


@pytest.fixture(scope="module")
def estimating(kernels: None) -> Callable[..., int]:
    """`estimates` as a function: by itself it lives inside kernels only."""
    from numba import types

    from pergamum.index.hnsw.block_sums import estimates
    from pergamum.index.jit import I8, array, kernel

    u1, u2, f4 = array(types.uint8, 1, readonly=True), array(types.uint16, 1), array(types.float32, 1)

    @kernel(types.uint64, u1, I8, u2, types.UniTuple(types.float32, 4), f4)
    def bits_of(blocks: Whole, start: Whole, sums: Whole, line: Whole, keys: Whole) -> Whole:
        return estimates(blocks, start, sums, line, keys)

    return bits_of


@metrics
@given(
    made=st.sampled_from(KINDS),
    dimension=st.sampled_from([1, 3, 16, 65]),
    seed=SEEDS,
)
def test_estimates_err_by_what_the_codes_lose_at_most(metric: Metric, made: str, dimension: int, seed: int) -> None:
    vectors, queries = hard_vectors(made, 40, dimension, seed), hard_vectors("normal", 2, dimension, seed + 1)
    index = graph(vectors, metric, params={**WIDE, "m": 4})

    assert_bounded(index, metric, vectors, queries)


@pytest.mark.parametrize("dimension", [384, 600])
def test_estimates_of_two_and_of_one_bit_keep_the_bound(dimension: int) -> None:
    vectors = clustered(60, dimension)

    assert_bounded(graph(vectors, Metric.L2, params={**WIDE, "m": 4}), Metric.L2, vectors, clustered(3, dimension))


def assert_bounded(index: HnswIndex, metric: Metric, vectors: Matrix, queries: Matrix) -> None:
    """|estimate - key| <= 2 |y - c| |e|, e = r - |r|^2 / <z, R r> z being what is lost; and rounding of float32.

    e stands upright on r.
    """
    x, y, turned = represented(vectors, metric), represented(queries, metric), rotation(index.dimension)
    links = links_of(index.wide.blocks, index.dimension)
    factors, offsets = part(index, FACTORS, np.float32), part(index, OFFSETS, np.float32)
    lengths = (x**2).sum(axis=1) if metric is Metric.L2 else np.zeros(len(x))
    for slot in range(len(vectors)):
        others = links[slot, links[slot] != NONE].astype(int)
        count = len(others)
        z = levels(index, slot)[:count]
        factor, offset = (numbers[slot, :count].astype(np.float64) for numbers in (factors, offsets))
        residuals = (x[others] - x[slot]) @ turned.T
        lost = np.linalg.norm(residuals - factor[:, None] / 2 * z, axis=1)
        upright = np.abs((residuals * (residuals - factor[:, None] / 2 * z)).sum(axis=1))
        lengths_of = np.linalg.norm(residuals, axis=1) * (np.linalg.norm(x[slot]) + np.linalg.norm(x[others], axis=1))
        assert (~np.isfinite(factor) | (factor == 0) | (upright <= 1e-4 * lengths_of + 1e-30)).all()
        for query in y:
            key, true = lengths[slot] - 2 * query @ x[slot], lengths[others] - 2 * x[others] @ query
            estimates = key + offset - factor * (z @ (turned @ query))
            away = query if metric is Metric.DOT else query - x[slot]
            size = np.linalg.norm(query) + np.linalg.norm(x[slot]) + np.linalg.norm(x[others], axis=1)
            rounding = 1e-4 * (size**2 + np.abs(factor) * np.linalg.norm(z, axis=1) * size)
            endless = ~np.isfinite(factor + offset)  # beyond float32: such a neighbour is never near
            assert (endless | (np.abs(estimates - true) <= 2 * np.linalg.norm(away) * lost + rounding)).all()


@compiled_only
@metrics
def test_a_block_holds_the_links_then_the_nearest_of_their_links(metric: Metric) -> None:
    vectors = clustered(300, 20)
    index = graph(vectors, metric, ALL.without(range(40, 60)), params={**WIDE, "m": 6})
    links, own = links_of(index.wide.blocks, 20), index.graph.links

    used = own != NONE
    np.testing.assert_array_equal(links[:, : own.shape[1]][used], own[used])
    for slot in np.flatnonzero(index.graph.levels != ABSENT):
        around = links[slot][links[slot] != NONE]
        assert len(set(around.tolist()) | {slot}) == len(around) + 1
        two_away = set(own[own[slot][used[slot]]].ravel().tolist()) - {int(NONE), slot}
        assert set(around.tolist()) <= set(own[slot][used[slot]].tolist()) | two_away
    missing = links == NONE
    assert np.isposinf(part(index, OFFSETS, np.float32).astype(float)[missing]).all()
    assert (links[index.graph.levels == ABSENT] == NONE).all()


@compiled_only
@metrics
def test_threads_make_the_same_blocks(metric: Metric) -> None:
    vectors = clustered(2_500, 24)

    assert_same_graph(graph(vectors, metric, params=WIDE), graph(vectors, metric, threads=3, params=WIDE))


@compiled_only
@metrics
def test_every_body_finds_the_same(metric: Metric) -> None:
    vectors, queries = clustered(800, 40), clustered(9, 40, seed=2)
    index = graph(vectors, metric, params=WIDE)

    found = []
    for body in ("special", "portable"):
        with using(body):
            found.append(walked(index, queries, vectors, 40))

    assert_same(*found)
    assert found[0].scored == found[1].scored


@compiled_only
@metrics
@pytest.mark.parametrize("dimension", [24, 600])
def test_more_effort_finds_more(metric: Metric, dimension: int) -> None:
    vectors, queries = clustered(4_000, dimension), clustered(60, dimension, seed=2)
    index = graph(vectors, metric, params=WIDE)
    true = truth(metric, queries, 10, vectors, ALL)

    found = [walked(index, queries, vectors, effort) for effort in (10, 40, 300)]

    recalls = [recall(one, true) for one in found]
    assert recalls == sorted(recalls)
    assert recalls[-1] >= 0.97
    assert found[0].scored < found[1].scored < found[2].scored


@compiled_only
@pytest.mark.parametrize("metric", [Metric.L2, Metric.COSINE])
def test_a_walk_ends_where_nothing_near_is_left(metric: Metric) -> None:
    """Not at its effort: that bounds the pool."""
    vectors, queries = clustered(6_000, 24), clustered(40, 24, seed=2)
    index = graph(vectors, metric, params=WIDE)

    found = walked(index, queries, vectors, 200)

    assert recall(found, truth(metric, queries, 10, vectors, ALL)) >= 0.97
    assert found.scored < 0.7 * 200 * GROUP * len(queries)


@compiled_only
def test_the_effort_alone_ends_a_walk_by_dot_products() -> None:
    vectors, queries = clustered(3_000, 24), clustered(20, 24, seed=2)

    found = walked(graph(vectors, Metric.DOT, params=WIDE), queries, vectors, 200)

    assert found.scored >= 200 * GROUP * len(queries)


@compiled_only
@metrics
@pytest.mark.parametrize("share_dead", [0.1, 0.6])
def test_a_walk_under_a_filter_goes_on_until_k_are_found(metric: Metric, share_dead: float) -> None:
    vectors, queries = clustered(3_000, 24), clustered(40, 24, seed=2)
    live = some_dead(3_000, share_dead)

    found = walked(graph(vectors, metric, params=WIDE), queries, vectors, 120, live)

    assert found.rescanned == 0
    assert recall(found, truth(metric, queries, 10, vectors, live)) >= 0.95


@compiled_only
def test_a_filter_set_against_the_query_is_answered_by_a_scan() -> None:
    vectors = np.concatenate([clustered(400, 8), 50 + clustered(20, 8)]).astype(np.float32)
    index = graph(vectors, params=WIDE)
    allowed = ALL.without(range(400))

    found = walked(index, vectors[:3], vectors, 20, allowed)

    assert found.rescanned == 3
    assert_same(found._replace(verified=0, scored=0, rescanned=0), truth(Metric.L2, vectors[:3], 10, vectors, allowed))


@compiled_only
def test_growing_and_deleting_keep_the_layout() -> None:
    vectors = clustered(900, 16)
    live = some_dead(900, 0.3)
    first = graph(vectors[:500], params=WIDE)

    grown = first.grown(vectors, live, quiet())

    assert list(grown.faults()) == []
    assert len(grown.wide.blocks) == 900
    found = walked(grown, vectors[:20], vectors, 900, live)
    assert_same(
        found._replace(verified=0, scored=0),
        grown.search(vectors[:20], 10, vectors, live, SCAN)._replace(verified=0, scored=0),
    )


def test_faults_finds_blocks_that_differ_from_the_graph() -> None:
    vectors = clustered(60, 8)
    index = graph(vectors, params={**WIDE, "m": 4})
    blocks = index.wide.blocks.copy()
    blocks[3, LINKS : LINKS + 4] = np.array([59], np.uint32).view(np.uint8) if index.graph.links[3, 0] != 59 else 0
    far = index.wide.blocks.copy()
    far[3, LINKS : LINKS + 4] = np.array([1_000], np.uint32).view(np.uint8)

    assert list(index.faults()) == []
    assert any("others in the blocks" in fault for fault in replaced(index, blocks).faults())
    assert any("not in the graph" in fault for fault in replaced(index, far).faults())


@pytest.mark.parametrize("metric", list(Metric))
def test_blocks_are_the_same_whether_rotated_vectors_are_kept_or_not(
    metric: Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = clustered(1500, 20)

    kept = graph(vectors, metric, params=WIDE)
    monkeypatch.setattr(wide_build, "MOST_TURNED", 4 * 1500 * 32 - 1)
    met = graph(vectors, metric, params=WIDE)

    assert kept.wide.blocks.tobytes() == met.wide.blocks.tobytes()


def replaced(index: HnswIndex, blocks: npt.NDArray[np.uint8]) -> HnswIndex:
    return replace(index, wide=index.wide._replace(blocks=readonly(blocks)))


@pytest.mark.parametrize(("dimension", "bits", "registers"), [(1, 2, 2), (100, 2, 14), (512, 2, 64), (513, 1, 33)])
def test_short_vectors_have_two_bits_a_dimension(dimension: int, bits: int, registers: int) -> None:
    assert (bits_of(dimension), registers_of(dimension)) == (bits, registers)
    assert block_bytes(dimension) == 384 + 64 * registers


def test_seeds_begin_with_the_entry() -> None:
    index = graph(clustered(700, 8), params={**WIDE, "ef_construction": 16, "m": 4})

    assert index.wide.seeds[0] == index.entry
    assert len(index.wide.seeds) == len(set(index.wide.seeds.tolist())) in (wide_build.SEEDS - 1, wide_build.SEEDS)

"""How far off the estimates of partitions can be, over vectors that break careless arithmetic."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import types

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index.arrays import readonly
from pergamum.index.ivf.assembly import Coded, taken_out
from pergamum.index.ivf.build import _points
from pergamum.index.ivf.index import IvfIndex
from pergamum.index.ivf.layout import MOST_GAIN, SCALE, numbers_of
from pergamum.index.ivf.params import IvfParams
from pergamum.index.ivf.scratch import scratch
from pergamum.index.jit import Whole, kernel
from tests.support.built import ALL, clustered, quiet
from tests.support.kernels import KINDS, compiled_only, hard_vectors, prepare_kernels

Doubles = npt.NDArray[np.float64]
pytestmark = compiled_only


@pytest.fixture(scope="module")
def estimate() -> Callable[..., None]:
    """The estimates of all slots for one query, as the kernels of a search make them."""
    prepare_kernels()
    from pergamum.index.ivf import fastscan
    from pergamum.index.ivf.aim_kernels import make_tables, near_centroids, set_query
    from pergamum.index.ivf.scan_kernels import BODY, fastscan_sums
    from pergamum.index.ivf.views import BYTES, F4S, FLOATS, LONGS, U1S, partitions_in, scratch_in

    @kernel(types.void, BYTES, LONGS, U1S, FLOATS, F4S, F4S)
    def estimates_of(arena: Whole, head: Whole, space: Whole, raw: Whole, out: Whole, steps: Whole) -> None:
        partitions, scratch = partitions_in(arena, head), scratch_in(space, head)
        pairs, first, metric = len(partitions.books) // 2, partitions.first, head[0]
        set_query(raw, metric, partitions, scratch)
        near_centroids(metric, partitions, scratch)
        low, step = make_tables(metric, partitions, scratch)
        steps[0] = step
        for place in range(len(first) - 1):
            for block in range(first[place], first[place + 1]):
                bytes_ = partitions.blocks[block]
                fastscan_sums(BODY, bytes_, 0, pairs, scratch.tables, scratch.sums)
                numbers = bytes_[64 * pairs :].view(np.float32)
                terms, floor = (scratch.near[place], low, step), np.float32(0.0)
                fastscan.survivors(scratch.sums, numbers, terms, floor, out[64 * block : 64 * block + 64])

    return estimates_of


@pytest.mark.parametrize("metric", list(Metric))
@given(
    made=st.sampled_from(KINDS),
    asked=st.sampled_from(KINDS),
    shape=st.tuples(st.integers(1, 150), st.sampled_from([1, 2, 3, 9, 65])),
    partitions=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_no_estimate_is_off_by_more_than_what_was_lost(
    estimate: Callable[..., None],
    metric: Metric,
    made: str,
    asked: str,
    shape: tuple[int, int],
    partitions: int,
    seed: int,
) -> None:
    vectors = hard_vectors(made, *shape, seed)
    raw = hard_vectors(asked, 1, shape[1], seed + 1)[0]
    index = IvfIndex.build(vectors, metric, ALL, IvfParams(partitions), quiet())
    slots = numbers_of(index.partitions)[2]
    found, steps = np.zeros(len(slots), np.float32), np.zeros(1, np.float32)

    estimate(index.arena, index._head, scratch(index.shape, 10), readonly(raw), found, steps)

    order = np.argsort(slots[slots >= 0], kind="stable")
    y = asked_for(raw, metric, index)
    true, bound = true_and_bound(index, vectors, y, float(steps[0]))
    assert (np.abs(found[slots >= 0][order].astype(np.float64) - true) <= bound).all()


@pytest.mark.parametrize("metric", list(Metric))
def test_what_codes_lose_stands_upright_on_the_residual(metric: Metric) -> None:
    prepare_kernels()
    vectors = clustered(500, 9)

    kept, x, c, u = kept_of(IvfIndex.build(vectors, metric, ALL, IvfParams(5), quiet()), vectors)

    residuals, gains = x - c, kept.gains.astype(np.float64)
    free = gains < MOST_GAIN
    assert free.mean() > 0.9
    lost = residuals - gains[:, None] * u
    lengths = np.linalg.norm(residuals, axis=1)
    assert (np.abs((residuals * lost).sum(axis=1)) <= 1e-4 * lengths * (lengths + np.linalg.norm(c, axis=1)))[
        free
    ].all()


def asked_for(raw: Matrix, metric: Metric, index: IvfIndex) -> Doubles:
    """y, in units of the scale and cut off as a search does it; less the middle but under dot."""
    wide = raw.astype(np.float64)
    units = {
        Metric.COSINE: np.sqrt((wide**2).sum()),
        Metric.DOT: np.abs(wide).max(),
        Metric.L2: index.partitions.facts[SCALE],
    }
    y: Doubles = np.clip(wide / units[metric], -1e15, 1e15)
    middle = index.partitions.middle[: len(y)]
    return y if metric is Metric.DOT else y - middle


def kept_of(index: IvfIndex, vectors: Matrix) -> tuple[Coded, Doubles, Doubles, Doubles]:
    """What is kept of each vector, by slot, with its x, c and u of layout.py."""
    parts, dimension, wide = index.partitions, vectors.shape[1], vectors.astype(np.float64)
    kept = taken_out(parts, np.ones(len(vectors), np.bool_))
    x = wide / (np.sqrt((wide**2).sum(axis=1))[:, None] if index.metric is Metric.COSINE else parts.facts[SCALE])
    x = (x - parts.middle[:dimension])[kept.slots]
    c = parts.centroids[kept.labels][:, :dimension].astype(np.float64)
    u = _points(parts, kept.codes)[:, :dimension].astype(np.float64)  # type: ignore[arg-type]  # it reads the books only
    return kept, x, c, u


def true_and_bound(index: IvfIndex, vectors: Matrix, y: Doubles, step: float) -> tuple[Doubles, Doubles]:
    """What estimates stand for, and how far off they may be:

    |<y - c, r - gain u>| <= |y - c| |r - gain u| (layout.py), half a step of a byte for each look-up, half a step of
    both in each of the products that make the estimate of a centroid, and the rounding of float32.
    """
    parts, dimension = index.partitions, vectors.shape[1]
    kept, x, c, u = kept_of(index, vectors)
    cosine, l2 = index.metric is Metric.COSINE, index.metric is Metric.L2
    twice, gain = 2.0 if l2 else 1.0, kept.gains.astype(np.float64)
    middle = parts.middle[:dimension].astype(np.float64)
    whole = y + middle if cosine else y
    true = twice * (x @ whole) - (x**2).sum(axis=1) if l2 else (x + middle) @ whole
    lost = np.linalg.norm(y - c, axis=1) * np.linalg.norm(x - c - gain[:, None] * u, axis=1)
    rounded = gain * len(parts.books) * step / 2
    digit = np.abs(y).max() / 127
    centers = 0.51 * (digit * np.abs(c).sum(axis=1) + (np.abs(y).sum() + digit * dimension) * parts.scales[kept.labels])
    sizes = np.linalg.norm(x, axis=1) + np.linalg.norm(c, axis=1) + gain * np.linalg.norm(u, axis=1) + 1.0
    floats = 1e-4 * sizes * (np.linalg.norm(y) + np.linalg.norm(middle) + sizes)
    return true, twice * (lost + centers) + rounded + floats

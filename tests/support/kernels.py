"""Choosing which body of the index answers: special kernels, portable kernels, or NumPy alone."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import pytest

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index import distance, kernel_cache
from pergamum.index.base import Neighbours
from pergamum.index.brute_force.index import BruteForceIndex
from pergamum.index.mask import BLOCK_SLOTS, SlotMask

Body: TypeAlias = Literal["special", "portable", "numpy"]
BODIES: tuple[Body, ...] = get_args(Body)
INTERPRETED = os.environ.get("NUMBA_DISABLE_JIT") == "1"
compiled_only = pytest.mark.skipif(INTERPRETED, reason="too slow, or pointless, while kernels are interpreted")


def prepare_kernels() -> None:
    """Load the kernels once for all tests of this process; compiled code is shared between processes and runs."""
    chosen = os.environ.get("PERGAMUM_KERNEL_CACHE")
    kernel_cache.configure(Path(chosen) if chosen else None)
    if INTERPRETED:
        kernel_cache._State.ready = True
    assert kernel_cache.prepare()


@contextmanager
def using(body: Body) -> Iterator[None]:
    """Let `body` answer searches inside the block. REQUIRES `prepare_kernels`."""
    from pergamum.index.brute_force import kernels
    from pergamum.index.hnsw import wide_kernels

    best = kernels.BODY, wide_kernels.BODY
    if body != "special":
        kernels.BODY, wide_kernels.BODY = kernels.PORTABLE, wide_kernels.PORTABLE
    kernel_cache._State.ready = body != "numpy"
    try:
        yield
    finally:
        (kernels.BODY, wide_kernels.BODY), kernel_cache._State.ready = best, True


def filled(vectors: Matrix, metric: Metric) -> BruteForceIndex:
    return BruteForceIndex.empty(vectors.shape[1], metric).extended(vectors)


def oracle(metric: Metric, queries: Matrix, k: int, vectors: Matrix, live: SlotMask) -> Neighbours:
    """The k smallest (reference distance, slot) of the live slots, by sorting all of them."""
    alive = np.flatnonzero([live.block(slot // BLOCK_SLOTS)[slot % BLOCK_SLOTS] for slot in range(len(vectors))])
    slots = np.full((len(queries), k), -1, dtype=np.int64)
    found = np.full((len(queries), k), np.inf)
    for row, query in enumerate(queries):
        each = distance.distances(metric, query, vectors[alive])
        order = np.lexsort((alive, each))[:k]
        slots[row, : len(order)], found[row, : len(order)] = alive[order], each[order]
    return Neighbours(slots, found)


def assert_same(found: Neighbours, expected: Neighbours) -> None:
    """Equal to the last bit."""
    np.testing.assert_array_equal(found.slots, expected.slots)
    assert bits(found.distances) == bits(expected.distances)


def bits(numbers: npt.NDArray[np.float64]) -> bytes:
    return numbers.tobytes()


def hard_vectors(kind: str, count: int, dimension: int, seed: int) -> Matrix:
    """Vectors that break careless bounds. `kind` is one of `KINDS`; every vector is finite and none is zero."""
    random = np.random.default_rng(seed)
    normal = random.standard_normal((count, dimension))
    with np.errstate(under="ignore"):
        made = np.ascontiguousarray(_MAKERS[kind](normal, random), dtype=np.float32)
    made[~made.any(axis=1), 0] = 1e-45
    assert np.isfinite(made).all()
    return made


def _near_ties(normal: npt.NDArray[np.float64], random: np.random.Generator) -> npt.NDArray[np.float64]:
    rows = np.repeat(normal[:1].astype(np.float32), len(normal), axis=0)
    up = random.random(rows.shape) < 0.2
    rows[up] = np.nextafter(rows[up], np.float32(np.inf))
    return rows.astype(np.float64)


def _one_huge(normal: npt.NDArray[np.float64], random: np.random.Generator) -> npt.NDArray[np.float64]:
    normal[np.arange(len(normal)), random.integers(0, normal.shape[1], len(normal))] = 1e30
    return normal


def _any_norm(normal: npt.NDArray[np.float64], random: np.random.Generator) -> npt.NDArray[np.float64]:
    return normal * 10.0 ** random.uniform(-44, 36, (len(normal), 1))


_Maker: TypeAlias = Callable[[npt.NDArray[np.float64], np.random.Generator], npt.NDArray[np.float64]]
_MAKERS: dict[str, _Maker] = {
    "normal": lambda normal, _: normal,
    "duplicates": lambda normal, random: normal[random.integers(0, max(1, len(normal) // 5), len(normal))],
    "equal": lambda normal, _: np.repeat(normal[:1], len(normal), axis=0),
    "constant": lambda normal, _: np.repeat(normal[:, :1], normal.shape[1], axis=1),
    "huge": lambda normal, _: normal * 1e30,
    "largest": lambda normal, _: np.sign(normal) * 3.4028234e38,
    "tiny": lambda normal, _: normal * 1e-30,
    "denormal": lambda normal, _: normal * 1e-43,
    "any norm": _any_norm,
    "near ties": _near_ties,
    "one huge coordinate": _one_huge,
    "small integers": lambda normal, _: np.rint(normal * 2),
}
KINDS = tuple(_MAKERS)

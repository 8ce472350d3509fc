"""Making the arrays of a hash index, in pieces, so that it can be watched, stopped and shared between threads.

REQUIRES of everything here: the kernels are loaded.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index.base import Job
from pergamum.index.distance import norms
from pergamum.index.lsh import layout
from pergamum.index.lsh.layout import (
    CROSS_POLYTOPE,
    METRICS,
    P_STABLE,
    Doubles,
    Floats,
    Hashes,
    Integers,
    Longs,
    Tables,
)
from pergamum.index.mask import SlotMask

_PIECE = 2048
_SAMPLE = 8192
_HASHING, _FILING = 0.9, 1.0
"""Shares of the work done when all rows are hashed, and when all tables are made."""
_CELL = 0.6745
"""Width of a cell in standard deviations: four equally likely cells, two of them reaching to infinity."""


@dataclass(frozen=True, slots=True)
class Hashed:
    """The keys i4 (m, T) of the slots `rows` i8 (m,), and the sketches of all n slots; dead ones are zero."""

    rows: Longs
    keys: Integers
    words: Floats


def live_rows(live: SlotMask, first: int, count: int) -> Longs:
    """Return the live slots of [first, count), ascending, read-only."""
    flags = live.flat()[first:count]
    rows = np.concatenate([np.flatnonzero(flags), np.arange(len(flags), count - first)]) + first
    layout.frozen(rows)
    return rows


def largest_norm(vectors: Matrix, rows: Longs) -> float:
    """Return the largest norm of `rows`, 0 without any. O(m * d), piece by piece."""
    pieces = (norms(vectors[piece]) for piece in _pieces(rows))
    return max((float(piece.max()) for piece in pieces), default=0.0)


def make_hashes(vectors: Matrix, rows: Longs, metric: Metric, shape: tuple[int, int], seed: int) -> Hashes:
    """Choose hash functions for tables and bits `shape`: at random, but centered and scaled by a sample of `rows`."""
    tables, bits = shape
    family = P_STABLE if metric is Metric.L2 else CROSS_POLYTOPE
    size, random = layout.width(metric, vectors.shape[1]), np.random.default_rng(seed)
    parts = layout.split(family, bits, size)
    rotations = layout.rotations(family, parts, tables, size)
    signs = random.choice(np.array([-1, 1], dtype=np.float32), (rotations, 3, size))
    sample = np.ascontiguousarray(rows[:: max(1, len(rows) // _SAMPLE)])
    scale = 1.0 if metric is Metric.COSINE else largest_norm(vectors, rows) * (2.0 if metric is Metric.L2 else 1.0)
    cells = np.ones((tables, len(parts), 2))
    layout.frozen(parts, signs, sample, cells)
    bare = Hashes(family, METRICS.index(metric), scale or 1.0, _zeros(size), signs, parts, cells)
    centered = bare._replace(center=_center(vectors, sample, bare))
    if family == CROSS_POLYTOPE or not len(sample):
        return centered
    return centered._replace(cells=_cells(vectors, sample, centered, random))


def hash_all(vectors: Matrix, rows: Longs, hashes: Hashes, first: int, job: Job) -> Hashed:
    """Hash `rows` of `vectors`; the sketches begin with slot `first`. O(m * R * D log D), shared by threads."""
    from pergamum.index.lsh import hash_kernels as kernels  # noqa: PLC0415  # numba

    size, tables = len(hashes.center), len(hashes.cells)
    words = np.zeros((len(vectors) - first, layout.FACTORS + size // 32), dtype=np.float32)
    keys = np.empty((len(rows), tables), dtype=np.int32)
    matrix = layout.readonly(vectors[first:])

    def hash_piece(start: int) -> None:
        piece = np.ascontiguousarray(rows[start : start + _PIECE] - first)
        layout.frozen(piece)
        point, rotated = np.empty(size), np.empty(hashes.signs.shape[0] * size)
        out = keys[start : start + _PIECE]
        kernels.hash_rows(matrix, piece, hashes, point, rotated, out, words, words.view(np.uint8))

    _in_turns(hash_piece, range(0, len(rows), _PIECE), job, (0.0, _HASHING))
    layout.frozen(keys)
    return Hashed(rows, keys, words)


def make_tables(hashed: Hashed, buckets: int, job: Job) -> Tables:
    """Sort the slots of every table by their keys. O(T * (m + buckets))."""
    from pergamum.index.lsh import hash_kernels as kernels  # noqa: PLC0415  # numba

    tables = hashed.keys.shape[1]
    starts = np.zeros((tables, buckets + 1), dtype=np.int32)
    slots = np.empty((tables, len(hashed.rows)), dtype=np.int32)

    def file(table: int) -> None:
        kernels.file(hashed.keys, table, hashed.rows, starts[table], slots[table])

    _in_turns(file, range(tables), job, (_HASHING, _FILING))
    layout.frozen(starts, slots)
    return Tables(starts, slots, *layout.sketch_views(hashed.words))


def merged(old: Tables, new: Tables, live: SlotMask, job: Job) -> Tables:
    """Return the live slots of `old` and all of `new`, whose slots are later ones. O(T * (m + buckets))."""
    from pergamum.index.lsh import hash_kernels as kernels  # noqa: PLC0415  # numba

    flags, tables = live.flat(), len(old.starts)
    known = old.slots[0][old.slots[0] < len(flags)]
    kept = old.slots.shape[1] - int(np.count_nonzero(~flags[known]))
    starts = np.empty_like(old.starts)
    slots = np.empty((tables, kept + new.slots.shape[1]), dtype=np.int32)

    def merge(table: int) -> None:
        halves = (old.starts[table], old.slots[table], new.starts[table], new.slots[table])
        kernels.merge(*halves, flags, starts[table], slots[table])

    _in_turns(merge, range(tables), job, (_HASHING, _FILING))
    layout.frozen(starts, slots)
    return Tables(starts, slots, *layout.sketch_views(np.concatenate([old.factors, new.factors])))


def _in_turns(work: Callable[[int], None], parts: range, job: Job, share: tuple[float, float]) -> None:
    """Do `parts` on the job's threads, reporting from this one; parts write to places of their own."""
    low, high = share
    with ThreadPoolExecutor(max(1, job.threads)) as pool:
        for start in range(0, len(parts), max(1, job.threads)):
            job.report(low + (high - low) * start / len(parts))
            list(pool.map(work, parts[start : start + max(1, job.threads)]))
    job.report(high)


def _pieces(rows: Longs) -> Iterator[Longs]:
    for start in range(0, len(rows), _PIECE):
        yield rows[start : start + _PIECE]


def _zeros(size: int) -> Doubles:
    zeros = np.zeros(size)
    layout.frozen(zeros)
    return zeros


def _projected(vectors: Matrix, sample: Longs, hashes: Hashes) -> Doubles:
    """Return all rotations of the sample, or its points where there are no rotations."""
    from pergamum.index.lsh import hash_kernels as kernels  # noqa: PLC0415  # numba

    size = len(hashes.center)
    out = np.empty((len(sample), max(1, len(hashes.signs)) * size))
    kernels.project_rows(layout.readonly(vectors), sample, hashes, np.empty(size), out)
    return out


def _center(vectors: Matrix, sample: Longs, hashes: Hashes) -> Doubles:
    """Return the mean of the sample's points."""
    if not len(sample):
        return hashes.center
    no_signs = np.empty((0, 3, len(hashes.center)), dtype=np.float32)
    layout.frozen(no_signs)
    center: Doubles = _projected(vectors, sample, hashes._replace(signs=no_signs)).mean(axis=0)
    layout.frozen(center)
    return center


def _cells(vectors: Matrix, sample: Longs, hashes: Hashes, random: np.random.Generator) -> Doubles:
    """Return beginnings and widths of cells, so that the data spread over them; the beginnings are random."""
    tables, functions, _ = hashes.cells.shape
    size, sample = len(hashes.center), np.ascontiguousarray(sample[:: max(1, len(sample) // 2048)])
    layout.frozen(sample)
    numbers = _projected(vectors, sample, hashes)[:, size : size + tables * functions]
    spread = numbers.std(axis=0).reshape(tables, functions)
    cell = np.where(spread > 0.0, spread * _CELL, 1.0)
    counts = 1 << hashes.parts[:, layout.BITS]
    low = (random.uniform(-0.5, 0.5, cell.shape) - counts / 2) * cell
    cells = np.stack([low, cell], axis=2)
    layout.frozen(cells)
    return cells

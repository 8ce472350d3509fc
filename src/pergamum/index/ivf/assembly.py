"""Putting coded vectors into the blocks of their partitions, and taking them out again."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pergamum.domain.vectors import Metric
from pergamum.index.arrays import readonly
from pergamum.index.ivf.layout import (
    BLOCK,
    UNIT,
    WIDTH,
    Bytes,
    Floats,
    Longs,
    Partitions,
    Shape,
    empty_arena,
    numbers_of,
    opened,
    packed,
    shape_for,
    tiles_of,
    unpacked,
)
from pergamum.index.mask import Flags

MOST_CODE = 127


class Trained(NamedTuple):
    """Where partitions and codes lie; see `Partitions`.

    `middle` f4 (2 m,), `centroids` f4 (p, 2 m), `widths` f4 (p,), `books` f4 (m, 2, 16), `scale`; `copies`: in how many
    partitions a vector is, 1 or 2.
    """

    metric: Metric
    middle: Floats
    centroids: Floats
    widths: Floats
    books: Floats
    scale: float
    copies: int


class Coded(NamedTuple):
    """Vectors as codes: `slots`, `labels` i8 (n,), `codes` u1 (n, m), `gains`, `shifts` f4 (n,); see layout.py.

    A vector that is in two partitions is here twice.
    """

    slots: Longs
    labels: Longs
    codes: Bytes
    gains: Floats
    shifts: Floats


def joined(every: Sequence[Coded]) -> Coded:
    """Return all, one after the other."""
    return Coded(*(np.concatenate(parts) for parts in zip(*every, strict=True)))


def by_label(labels: Longs) -> Longs:
    """Return the order that sorts labels, equal ones as they come. There are fewer than 65,536 partitions, or as many.

    O(n): what has 16 bits numpy counts and does not compare.
    """
    order: Longs = np.argsort(labels.astype(np.uint16), kind="stable")
    return order


def _in_order(coded: Coded, order: Longs) -> Coded:
    slots, labels, codes, gains, shifts = coded
    return Coded(slots[order], labels[order], codes[order], gains[order], shifts[order])


def centers_of(centroids: Floats) -> tuple[Bytes, Floats]:
    """Return `centers` and `scales` of `Partitions`: centroids in 8 bits, and rows of zeros up to whole tiles."""
    scales = (np.abs(centroids).max(axis=1) / MOST_CODE).astype(np.float32)
    codes = np.rint(centroids / np.where(scales > 0, scales, np.float32(1))[:, None])
    tiles, units, _ = tiles_of(len(centroids), centroids.shape[1] // WIDTH)
    rows = np.full((tiles * BLOCK, units * UNIT), MOST_CODE + 1, np.uint8)
    rows[: len(centroids)] = np.clip(codes, -MOST_CODE, MOST_CODE) + (MOST_CODE + 1)
    split = rows.reshape(tiles, BLOCK, units, UNIT).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(split).reshape(tiles, units, BLOCK * UNIT), scales


def halves_of(centroids: Floats) -> Floats:
    """Return |c|^2 / 2 of each row."""
    halves: Floats = (np.einsum("ij,ij->i", centroids, centroids) / 2).astype(np.float32)
    return halves


def offsets_of(made: Trained) -> Floats:
    """Return `offsets` of `Partitions`."""
    if made.metric is Metric.L2:
        return -halves_of(made.centroids)
    if made.metric is Metric.COSINE:
        return (made.centroids.astype(np.float64) @ made.middle).astype(np.float32)
    return np.zeros(len(made.centroids), np.float32)


def assembled(dimension: int, made: Trained, coded: Coded, spread: float, covered: int) -> tuple[Shape, Bytes]:
    """Return the arena, read-only, of what was coded, slots below `covered`: ascending within each partition."""
    count = len(made.centroids)
    order = np.argsort(coded.slots, kind="stable")
    order = order[by_label(coded.labels[order])]
    sizes = np.bincount(coded.labels, minlength=count)
    first = np.concatenate([[0], np.cumsum(-(-sizes // BLOCK))]).astype(np.int64)
    places = np.arange(len(order)) + np.repeat(first[:-1] * BLOCK - (np.cumsum(sizes) - sizes), sizes)
    shape = shape_for(dimension, count, int(first[-1]), covered)
    arena = empty_arena(shape)
    parts = opened(arena, shape)
    parts.middle[:], parts.centroids[:], parts.books[:] = made.middle, made.centroids, made.books
    parts.centers[:], parts.scales[:] = centers_of(made.centroids)
    parts.offsets[:], parts.widths[:] = offsets_of(made), made.widths
    parts.radii[:] = np.sqrt((made.books.astype(np.float64) ** 2).sum(axis=1).max(axis=1)) * (1 + 1e-6)
    parts.first[:], parts.facts[:] = first, (made.scale, spread, made.copies)
    _fill(parts.blocks, places, _in_order(coded, order))
    return shape, readonly(arena)


def _fill(blocks: Bytes, places: Longs, coded: Coded) -> None:
    """Write each vector at its place; the padding can never reach a floor, and has no slot."""
    whole = len(blocks) * BLOCK
    codes = np.zeros((whole, coded.codes.shape[1]), np.uint8)
    codes[places] = coded.codes
    rows = BLOCK * coded.codes.shape[1] // 2
    blocks[:, :rows] = packed(codes)
    gains, shifts = np.zeros(whole, np.float32), np.full(whole, np.finfo(np.float32).min, np.float32)
    slots = np.full(whole, -1, np.int32)
    gains[places], shifts[places], slots[places] = coded.gains, coded.shifts, coded.slots
    for i, part in enumerate((gains, shifts, slots)):
        start = rows + 4 * BLOCK * i
        blocks[:, start : start + 4 * BLOCK] = part.view(np.uint8).reshape(len(blocks), 4 * BLOCK)


def taken_out(partitions: Partitions, alive: Flags) -> Coded:
    """Return what the blocks hold of the slots that are alive: slots ascending, each as often as it is there."""
    gains, shifts, slots = numbers_of(partitions)
    places = np.flatnonzero(slots >= 0)
    places = places[alive[slots[places]]]
    places = places[np.argsort(slots[places], kind="stable")]
    labels = np.searchsorted(partitions.first, places // BLOCK, side="right") - 1
    codes = unpacked(partitions.blocks[:, : BLOCK * len(partitions.books) // 2])[places]
    return Coded(slots[places].astype(np.int64), labels.astype(np.int64), codes, gains[places], shifts[places])

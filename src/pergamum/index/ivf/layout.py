"""The arrays of partitions, and how vectors become them.

A vector x (v / |v| under cosine, else v / scale; less the middle o of all) belongs to the partition whose centroid c
is nearest. Its residual r = x - c is kept as codes: two neighbouring dimensions a code of 4 bits, which names one of 16
points; together they make u, which is near r. Under dot and cosine it is in a second partition as well
(`build_kernels.label_twice`), with codes of its residual there. Two more numbers make up for what u loses along r:

    <y, r>  ~  <c, r> + gain * <y - c, u>,        gain = |r|^2 / <r, u>       (RaBitQ, arXiv 2405.12497, section 3.2)

so that what is left of the error, r - gain * u, stands upright on r. A query, in the units of x and but for dot less o
as well, is y. It makes the *estimate* of a slot, which is greater the nearer they are:

    dot      <y, o> + <y, c> + (gain <y, u> + shift),      shift = <c, r> - gain <c, u>
    cosine   |o|^2 + <y, o> + <y + o, c> + (gain <y, u> + shift + <o, r>): the cosine
    l2       2 <y, c> - |c|^2 + (gain 2 <y, u> + 2 shift - 2 <c, r> - |r|^2): |y|^2 - |y - x|^2

<y, u> is a sum over the codes, so a query makes one table of 16 numbers a code and looks up (`fastscan.py`). The arrays
lie in one piece of memory, the *arena*, which is also what a file holds: a search hands over two arrays, not ten.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index.arrays import LINE, aligned, readonly

Bytes: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.float32]
Slots: TypeAlias = npt.NDArray[np.int32]
Longs: TypeAlias = npt.NDArray[np.int64]

BLOCK: Final = 64
"""Vectors that are scanned together."""
TABLE: Final = 16
"""Entries of the table of one code."""
WIDTH: Final = 2
"""Dimensions a code stands for."""
UNIT: Final = 4
"""Dimensions of a centroid that lie side by side in a tile."""
NUMBERS: Final = 3 * 4
"""Bytes of a slot in its block beside its codes: gain, shift, slot."""
MOST_GAIN: Final = 4.0
"""Gains are cut off here: a vector whose codes point elsewhere has no estimate worth stretching."""
FARTHEST: Final = 1e15
"""Numbers of queries, and of vectors that come later, are cut off here, in units of the scale: squares stay finite."""


class Partitions(NamedTuple):
    """Vectors by partition. p partitions, m codes a vector (even), d padded to 2 m dimensions, b blocks of 64 slots.

    `middle` f4 (2 m,): o. `centroids` f4 (p, 2 m), and as `centers` u1 (p / 64, m / 2, 256), tiles of code + 128, see
    `tiles`, by `scales` f4 (p,). `offsets` f4 (p,): -|c|^2 / 2 under l2, <o, c> under cosine, 0 under dot. `widths` f4
    (p,): how far its vectors lie from c, the root of the mean square. `books` f4 (m, 2, 16): the points, by dimension.
    `radii` f4 (m,): the length of the longest of each. `blocks` u1 (b, 64 (m / 2 + 12)): codes (see `fastscan`), then
    64 gains f4, shifts f4, slots i4; slots ascend within a partition, and -1 fills its last block. `first` i8 (p + 1,):
    the first block of each. `facts` f8 (3,): the scale, see `scale_of`; the spread, see `build.spread_of`; and in how
    many partitions a vector is.
    """

    middle: Floats
    centroids: Floats
    centers: Bytes
    scales: Floats
    offsets: Floats
    widths: Floats
    books: Floats
    radii: Floats
    blocks: Bytes
    first: Longs
    facts: npt.NDArray[np.float64]


SCALE, SPREAD, COPIES = range(3)


class Shape(NamedTuple):
    """How large the arrays are: `partitions` p, `codes` m, `blocks` b; all slots are below `slots`."""

    partitions: int
    codes: int
    blocks: int
    slots: int


METRIC, COUNT, CODES, BLOCKS, SLOTS, PLACES = range(6)
"""What `head` says: the metric's number, p, m, b, slots; from PLACES on, where in the arena each array begins."""


def shape_for(dimension: int, partitions: int, blocks: int, slots: int) -> Shape:
    """Return the shape for vectors of `dimension` numbers."""
    return Shape(partitions, codes_of(dimension), blocks, slots)


def codes_of(dimension: int) -> int:
    """Return how many codes a vector has: even, so that they fill bytes."""
    return -(-dimension // (2 * WIDTH)) * 2


def tiles_of(partitions: int, codes: int) -> tuple[int, int, int]:
    """Return the shape of the tiles of the centroids."""
    return -(-partitions // BLOCK), codes * WIDTH // UNIT, UNIT * BLOCK


def block_bytes(codes: int) -> int:
    """Return the bytes of a block of slots with `codes` codes each."""
    return BLOCK * (codes // 2 + NUMBERS)


def _shapes(shape: Shape) -> Iterator[tuple[type[np.generic], tuple[int, ...]]]:
    """Yield scalar and shape of each array of `Partitions`."""
    p, m, blocks, _ = shape
    yield np.float32, (WIDTH * m,)
    yield np.float32, (p, WIDTH * m)
    yield np.uint8, tiles_of(p, m)
    yield np.float32, (p,)
    yield np.float32, (p,)
    yield np.float32, (p,)
    yield np.float32, (m, WIDTH, TABLE)
    yield np.float32, (m,)
    yield np.uint8, (blocks, block_bytes(m))
    yield np.int64, (p + 1,)
    yield np.float64, (3,)


def places_of(shape: Shape) -> Longs:
    """Return where in the arena each array begins, and where it ends: whole lines each."""
    sizes = [int(np.prod(each)) * np.dtype(scalar).itemsize for scalar, each in _shapes(shape)]
    return np.concatenate([[0], np.cumsum([size + -size % LINE for size in sizes])]).astype(np.int64)


def opened(arena: Bytes, shape: Shape) -> Partitions:
    """Return the arrays as views of the arena."""
    parts = []
    for place, (scalar, each) in zip(places_of(shape)[:-1].tolist(), _shapes(shape), strict=True):
        size = int(np.prod(each)) * np.dtype(scalar).itemsize
        parts.append(arena[place : place + size].view(scalar).reshape(each))
    return Partitions(*parts)


def head_of(metric: int, shape: Shape) -> Longs:
    """Return what a kernel needs to find the arrays in the arena."""
    return readonly(np.concatenate([[metric, *shape], places_of(shape)]).astype(np.int64))


def empty_arena(shape: Shape) -> Bytes:
    """Return an arena of zeros."""
    arena = aligned(1, int(places_of(shape)[-1]), np.uint8).reshape(-1)
    arena[:] = 0
    return arena


def numbers_of(partitions: Partitions) -> tuple[Floats, Floats, Slots]:
    """Return gains, shifts and slots of all blocks, each (64 b,), as copies."""
    rest = np.ascontiguousarray(partitions.blocks[:, -NUMBERS * BLOCK :]).reshape(len(partitions.blocks), 3, 4 * BLOCK)
    gains, shifts, slots = (np.ascontiguousarray(rest[:, i]).reshape(-1) for i in range(3))
    return gains.view(np.float32), shifts.view(np.float32), slots.view(np.int32)


def represent(vectors: Matrix, metric: Metric, scale: float, middle: Floats | None, x: Floats) -> None:
    """Fill `x`, f4 (n, 2 m) and zero, with what stands for each row; without `middle` it stays in.

    REQUIRES, without `middle`: `scale` is that of these vectors.
    """
    wide = np.asarray(vectors, dtype=np.float64)
    wide = wide / (np.sqrt(np.einsum("ij,ij->i", wide, wide))[:, None] if metric is Metric.COSINE else scale)
    if middle is not None:
        wide = np.clip(wide, -FARTHEST, FARTHEST) - middle[: wide.shape[1]]
    x[:, : wide.shape[1]] = wide


def scale_of(vectors: Matrix, metric: Metric) -> float:
    """Return a power of two that no number of the vectors is far above, so that squares stay in range."""
    if metric is Metric.COSINE or not vectors.size:
        return 1.0
    largest = float(np.abs(vectors).max())
    return float(2.0 ** np.ceil(np.log2(largest))) if largest > 0 else 1.0


def packed(codes: Bytes) -> Bytes:
    """Return codes (64 b, m) as rows of blocks, u1 (b, 64 m / 2)."""
    blocks = codes.reshape(len(codes) // BLOCK, BLOCK, codes.shape[1]).transpose(0, 2, 1)
    return np.ascontiguousarray(blocks[:, 0::2] | (blocks[:, 1::2] << 4)).reshape(
        len(blocks), BLOCK * codes.shape[1] // 2
    )


def unpacked(rows: Bytes) -> Bytes:
    """Return the codes (64 b, m) of rows of blocks, those of the padding too."""
    pairs = rows.shape[1] // BLOCK
    blocks = rows.reshape(len(rows), pairs, BLOCK).transpose(0, 2, 1)
    return np.stack([blocks & 15, blocks >> 4], axis=3).reshape(len(rows) * BLOCK, 2 * pairs)

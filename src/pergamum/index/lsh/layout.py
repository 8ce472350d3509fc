"""The arrays of a hash index, as kernels read them.

What is hashed is not the vector but its *point* in D dimensions, D a power of two, at least 64 and at least what the
metric needs. Nearness of points orders vectors as the metric does:

    cosine  v / |v|
    l2      v / s                               s the scale, twice the largest norm when the index was made
    dot     (v / s, sqrt(1 - |v / s|^2))        s the largest norm; a query becomes (q / |q|, 0)

Under dot, points and queries have length 1 and <point, query> = <v, q> / (s |q|): the largest product is the nearest
point (Neyshabur and Srebro, arXiv:1410.5518; Bachrach et al., RecSys 2014, doi:10.1145/2645710.2645741). The mean of
the points, `center`, is taken off before hashing: it is common to all, so it separates nothing.
"""

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from pergamum.domain.vectors import Matrix, Metric

Bytes: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int32]
Longs: TypeAlias = npt.NDArray[np.int64]

METRICS = tuple(Metric)
CROSS_POLYTOPE, P_STABLE = range(2)
"""Families of hash functions: Andoni et al., arXiv:1509.02897, for cosine and dot; Datar et al. 2004 for l2."""

MIN_WIDTH = 64
FACTORS = 4
"""float32 numbers before the bits of a sketch, columns below; the fourth is zero."""
SQUARE, WEIGHT, ERROR = range(3)

BITS, SHIFT, FIRST = range(3)
"""Columns of `Hashes.parts`."""
LOW, CELL = range(2)
"""Last axis of `Hashes.cells`."""

_CROSS_BITS, _CELL_BITS = 8, 2


class Hashes(NamedTuple):
    """The hash functions. F functions make the key of each of T tables; all arrays are read-only.

    `family`, `metric`: numbers. `scale`: see above. `center` f8 (D,). `signs` f4 (R, 3, D) of +1 and -1: R rotations.
    Rotation 0 is for the sketches; the functions read the numbers of the others one after the other.
    `parts` i8 (F, 3): bits of a function, where they stand in the key, its first number among the table's numbers.
    `cells` f8 (T, F, 2): where the first cell begins and how wide cells are; under P_STABLE only.
    """

    family: int
    metric: int
    scale: float
    center: Doubles
    signs: Floats
    parts: Longs
    cells: Doubles


class Tables(NamedTuple):
    """The buckets and the sketches. All arrays are read-only.

    `starts` i4 (T, 2^bits + 1), `slots` i4 (T, m): bucket b of table t is slots[t, starts[t, b] : starts[t, b + 1]],
    ascending. `factors` f4 (n, FACTORS + D / 32) and `sketches` u1 (n, 4 * FACTORS + D / 8): two views of one array.
    """

    starts: Integers
    slots: Integers
    factors: Floats
    sketches: Bytes


class Found(NamedTuple):
    """What m searches give: `distances` f8 and `slots` i8 (m, k); `counts` i8 (3,): verified, scored, rescanned."""

    distances: Doubles
    slots: Longs
    counts: Longs


def width(metric: Metric, dimension: int) -> int:
    """Return D for vectors of `dimension` numbers."""
    needed = max(MIN_WIDTH, dimension + (metric is Metric.DOT))
    return int(1 << (needed - 1).bit_length())


def split(family: int, bits: int, size: int) -> Longs:
    """Return `Hashes.parts` for keys of `bits` bits and points of `size` numbers: as few functions as possible.

    A cross-polytope in w dimensions has 2w corners: log2(w) + 1 bits. A p-stable function has four cells: two bits.
    """
    most = _CELL_BITS if family == P_STABLE else min(_CROSS_BITS, size.bit_length())
    count = -(-bits // most)
    each = [bits // count + (i < bits % count) for i in range(count)]
    numbers = [used(family, width) for width in each]
    return np.array([[each[i], sum(each[:i]), sum(numbers[:i])] for i in range(count)], dtype=np.int64)


def used(family: int, bits: int) -> int:
    """Return how many numbers of a rotation a function of `bits` bits reads."""
    return 1 if family == P_STABLE else 1 << (bits - 1)


def per_table(family: int, parts: Longs) -> int:
    """Return how many numbers all functions of a table read."""
    return int(parts[-1, FIRST]) + used(family, int(parts[-1, BITS]))


def rotations(family: int, parts: Longs, tables: int, size: int) -> int:
    """Return R: what all tables read, and one rotation for the sketches."""
    return 1 + -(-tables * per_table(family, parts) // size)


def broken(tables: Tables) -> Iterator[str]:
    """Yield for each table what would lead a search out of its arrays. O(T * (m + buckets))."""
    filed, count = tables.slots.shape[1], len(tables.factors)
    for number, (starts, slots) in enumerate(zip(tables.starts, tables.slots, strict=True)):
        if starts[0] != 0 or starts[-1] != filed or (np.diff(starts) < 0).any():
            yield f"table {number}: the buckets do not follow each other"
        if filed and not (slots.min() >= 0 and slots.max() < count):
            yield f"table {number}: a slot is out of range"


def sketch_views(words: Floats) -> tuple[Floats, Bytes]:
    """Return the two views of the array of sketches, read-only."""
    frozen(words)
    return words, words.view(np.uint8)


def frozen(*arrays: npt.NDArray[np.generic]) -> None:
    """Make arrays read-only, which is what kernels are compiled for."""
    for array in arrays:
        array.flags.writeable = False


def readonly(matrix: Matrix) -> Matrix:
    """Return a view that cannot be written."""
    view = np.asarray(matrix).view()
    view.flags.writeable = False
    return view

"""What a search writes to while it runs. Each thread keeps its own and uses it again."""

import threading
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from pergamum.index.lsh.layout import BITS, P_STABLE, Doubles, Floats, Hashes, Longs, Tables, used

Marks = npt.NDArray[np.uint32]

_KEPT = 2
_LAST_EPOCH = 2**32 - 1
_local = threading.local()


class Scratch(NamedTuple):
    """Arrays for one search at a time. T tables, F functions of a table, m slots in each table, n slots in all.

    `point` f8 (D,), `rotated` f8 (R * D,), `sums` f4 (D / 8, 256): the query's point, rotations, table of byte sums.
    `keys` f8, `digits` i8 (T * F, W), `sizes` i8 (T * F,): each function's digits, sorted from `sizes` on, best last.
    `order` i8 (T, F): the functions of a table, the one that changes its mind most easily first; `firsts` f8 (F,).
    `costs` f8, `codes` i8: a heap of buckets to look into; `buckets` i8 (probes,): those chosen, the cheapest first.
    `marks` u4 (n,), `epoch` u4 (1,): slots seen in this search carry its number, so nothing is ever cleared.
    `candidates` i8, `floors` f8 (m + 1,): slots found, and what their distances are above.
    `nearest` f8, `places` i8 (k,): the candidates that seem nearest.
    """

    point: Doubles
    rotated: Doubles
    sums: Floats
    keys: Doubles
    digits: Longs
    sizes: Longs
    order: Longs
    firsts: Doubles
    costs: Doubles
    codes: Longs
    buckets: Longs
    marks: Marks
    epoch: Marks
    candidates: Longs
    floors: Doubles
    nearest: Doubles
    places: Longs

    @classmethod
    def made(cls, hashes: Hashes, tables: Tables, probes: int, k: int) -> Self:
        """Return scratch for searches of up to `probes` buckets and exactly k hits."""
        size, rotations = len(hashes.center), len(hashes.signs)
        functions, held = hashes.cells.shape[0] * len(hashes.parts), digits_held(hashes)
        slots, room = tables.slots.shape[1] + 1, len(tables.slots) + 2 * probes + 1
        return cls(
            point=np.empty(size),
            rotated=np.empty(rotations * size),
            sums=np.empty((size // 8, 256), dtype=np.float32),
            keys=np.empty((functions, held)),
            digits=np.empty((functions, held), dtype=np.int64),
            sizes=np.empty(functions, dtype=np.int64),
            order=np.empty((hashes.cells.shape[0], len(hashes.parts)), dtype=np.int64),
            firsts=np.empty(len(hashes.parts)),
            costs=np.empty(room),
            codes=np.empty(room, dtype=np.int64),
            buckets=np.empty(probes, dtype=np.int64),
            marks=np.zeros(len(tables.factors), dtype=np.uint32),
            epoch=np.zeros(1, dtype=np.uint32),
            candidates=np.empty(slots, dtype=np.int64),
            floors=np.empty(slots),
            nearest=np.empty(k),
            places=np.empty(k, dtype=np.int64),
        )

    def roomier(self, tables: int, probes: int) -> Self:
        """Return scratch for up to `probes` buckets; what does not depend on them is shared."""
        room = tables + 2 * probes + 1
        costs, codes, buckets = np.empty(room), np.empty(room, dtype=np.int64), np.empty(probes, dtype=np.int64)
        return self._replace(costs=costs, codes=codes, buckets=buckets)

    def fresh(self, queries: int) -> Self:
        """Return scratch whose epochs last for so many searches."""
        if int(self.epoch[0]) + queries >= _LAST_EPOCH:
            self.marks[:] = 0
            self.epoch[0] = 0
        return self


def digits_held(hashes: Hashes) -> int:
    """Return W: a cross-polytope keeps one of two opposite corners, p-stable functions keep all their cells."""
    most = int(hashes.parts[:, BITS].max())
    return 1 << most if hashes.family == P_STABLE else used(hashes.family, most)


def borrowed(hashes: Hashes, tables: Tables, probes: int, k: int) -> Scratch:
    """Return this thread's scratch for indexes of this shape, made anew where it has none that is large enough.

    The thread keeps the few shapes it used last: what an index that is gone has left behind goes with them.
    """
    kept: dict[tuple[int, ...], Scratch] = _local.__dict__.setdefault("kept", {})
    shape = (len(hashes.center), len(hashes.signs), *tables.slots.shape, len(tables.factors))
    key = (*shape, hashes.family, len(hashes.parts), digits_held(hashes))
    scratch = kept.pop(key, None) or Scratch.made(hashes, tables, probes, k)
    if len(scratch.buckets) < probes:
        scratch = scratch.roomier(len(tables.slots), 1 << (probes - 1).bit_length())
    if len(scratch.nearest) != k:
        scratch = scratch._replace(nearest=np.empty(k), places=np.empty(k, dtype=np.int64))
    kept[key] = scratch  # at the end: the dictionary is in the order of last use
    while len(kept) > _KEPT:
        del kept[next(iter(kept))]
    return scratch

"""Exact nearest neighbours by scanning 8-bit codes, and float32 vectors only where a bound cannot rule them out.

With n slots, d dimensions, m queries and v vectors verified (on real data a few dozen, whatever n):

    search    O(m * (n * d + v * (d + log k))) time, of which n * d are byte operations, 32 to 64 an instruction;
              O(m * k) memory
    extended  O(new * d) time and memory; what exists is shared, never copied
    save      O(n * d), load the same
    memory    d + 12 bytes a slot; d rounded up to four

The worst case is n verified vectors (all equal, or k >= n): then it costs what a plain float64 scan costs.
"""

from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Final, Self, TypeAlias

import numpy as np

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index import kernel_cache
from pergamum.index.arrays import is_mapped, plain
from pergamum.index.base import Neighbours, padded
from pergamum.index.bound import Bound
from pergamum.index.brute_force import fallback, snapshot
from pergamum.index.brute_force.blocks import Block, bound_blocks, frozen, reserve, touched_bytes, used_slots, write
from pergamum.index.brute_force.desk import Desks
from pergamum.index.brute_force.work import Doubles, Longs
from pergamum.index.mask import ALL, BLOCK_SLOTS, Flags, SlotMask
from pergamum.index.quantize import encode

_ENCODED_AT_ONCE = 8192
_QUERIES_AT_ONCE = 64
_METRICS = list(Metric)
_DESKS: Final = Desks()

_Part: TypeAlias = tuple[Longs, Doubles, int]
"""Slots, distances, and how many vectors were read."""


@dataclass(frozen=True, slots=True, eq=False)
class BruteForceIndex:
    """An exact `GrowingIndex` over the slots [first, count).

    Invariant: `blocks` hold the codes of exactly those slots, in their usual places; blocks that lie wholly below
    `first` are reserved and never touched, so they take no memory. `growing` is the last block, writable; None where it
    is full and mapped.
    """

    dimension: int
    metric: Metric
    count: int
    blocks: tuple[Block, ...]
    first: int = 0
    growing: Block | None = None
    _table: list[Bound] = field(default_factory=list, init=False, repr=False)

    @classmethod
    def empty(cls, dimension: int, metric: Metric, first: int = 0) -> Self:
        """Return the index of no vectors, whose next one will have the slot `first`."""
        blocks = [reserve(dimension) for _ in range(-(-first // BLOCK_SLOTS))]
        return cls(dimension, metric, first, tuple(map(frozen, blocks)), first, blocks[-1] if blocks else None)

    @classmethod
    def load(cls, folder: Path, *, checked: bool = False) -> Self:
        """Map what `save` wrote; unless every byte has been `checked`, compare them with their checksum.

        Only the last block, if there is room in it, is read instead: it takes what comes next. Raises `Damaged`, or
        `NewerFormat`.
        """
        dimension, metric, count, blocks = snapshot.read(folder, checked=checked)
        growing = blocks[-1] if count % BLOCK_SLOTS else None
        return cls(dimension, metric, count, tuple(map(frozen, blocks)), growing=growing)

    @property
    def memory_bytes(self) -> int:
        """Memory of the codes, in bytes, anonymous or mapped."""
        return sum(touched_bytes(self.dimension, used) for used in used_slots(self.count)) - sum(
            touched_bytes(self.dimension, used) for used in used_slots(self.first)
        )

    @property
    def anonymous_bytes(self) -> int:
        """How many of them the process holds itself; the others are a file's, mapped."""
        mapped = sum(is_mapped(block.codes) for block in self.blocks)
        return self.memory_bytes - mapped * touched_bytes(self.dimension, BLOCK_SLOTS)

    def extended(self, vectors: Matrix) -> Self:
        """Return an index that covers `vectors` too; see `GrowingIndex.extended`."""
        blocks, growing, count, done = list(self.blocks), self.growing, self.count, 0
        while done < len(vectors):
            number, first = divmod(count + done, BLOCK_SLOTS)
            if growing is None or number == len(blocks):
                growing = reserve(self.dimension)
                blocks.append(frozen(growing))
            part = vectors[done : done + min(_ENCODED_AT_ONCE, BLOCK_SLOTS - first)]
            write(growing, first, encode(part, self.metric))
            done += len(part)
        return replace(self, count=count + done, blocks=tuple(blocks), growing=growing)

    def search(self, queries: Matrix, k: int, vectors: Matrix, allowed: SlotMask, begin: int = 0) -> Neighbours:
        """Return for each query the k nearest allowed slots; see `GrowingIndex.search`."""
        begin = max(begin, self.first)
        wanted = min(k, self.count - begin)
        if wanted <= 0 or not len(queries):
            return padded(Neighbours(np.empty((len(queries), 0), np.int64), np.empty((len(queries), 0))), k)
        raw = plain(queries)
        if not kernel_cache.ready():
            found = fallback.before_kernels(self.metric, raw, k, vectors[: self.count], allowed, begin=begin)
            if found is not None:
                return found
        rows, flags = plain(vectors), allowed.flat()
        parts = [
            self._scan(raw[start : start + _QUERIES_AT_ONCE], wanted, rows, flags, begin)
            for start in range(0, len(raw), _QUERIES_AT_ONCE)
        ]
        return padded(_joined(parts, (self.count - begin) * len(raw)), k)

    def with_blocks_of(self, saved: Self) -> Self:
        """Return the same index with the full blocks of `saved` in place of its own, whose memory is given back.

        REQUIRES: both have the same codes in those blocks: `saved` was read from a file that this one, or an earlier
        one of which this was extended, was saved to.
        """
        full = saved.count // BLOCK_SLOTS
        growing = self.growing if full < len(self.blocks) else None
        return replace(self, blocks=(*saved.blocks[:full], *self.blocks[full:]), growing=growing)

    def save(self, folder: Path) -> None:
        """Write the index into `folder`; see docs/formats/brute-force-index.md."""
        snapshot.write(folder, self.dimension, self.metric, self.count, self.blocks)

    def _scan(self, raw: Matrix, k: int, vectors: Matrix, flags: Flags, begin: int) -> _Part:
        """Search by the kernels."""
        kernels, desk = _kernels(), _DESKS.take(len(raw), self.dimension, k)
        how = kernels.BODY, _METRICS.index(self.metric)
        read = kernels.search(how, (begin, self.count), self._bound_blocks(), desk.table, flags, ALL, vectors, raw)
        slots, distances = desk.answer()
        _DESKS.give_back(desk)
        return slots, distances, read

    def _bound_blocks(self) -> Bound:
        """Return where the blocks lie. O(blocks) once."""
        if not self._table:  # two threads may both make it: they make the same
            self._table.append(bound_blocks(self.blocks))
        return self._table[0]


@cache
def _kernels() -> ModuleType:
    """Return the kernels. REQUIRES: they are loaded, or numba would be imported here."""
    from pergamum.index.brute_force import kernels  # noqa: PLC0415  # a statement in each search would cost 1 us

    return kernels


def _joined(parts: list[_Part], scored: int) -> Neighbours:
    """Return the results of searches one below the other."""
    if len(parts) == 1:
        return Neighbours(*parts[0], scored)
    slots, distances = (np.concatenate([part[place] for part in parts]) for place in (0, 1))
    return Neighbours(slots, distances, sum(part[2] for part in parts), scored)

"""Exact nearest neighbours by scanning 8-bit codes, and float32 vectors only where a bound cannot rule them out.

With n slots, d dimensions, m queries and v vectors verified (on real data a few dozen, whatever n):

    search    O(m * (n * d + v * (d + log k))) time, of which n * d are byte operations, 32 to 64 an instruction;
              O(m * k) memory
    extended  O(new * d) time and memory; what exists is shared, never copied
    save      O(n * d), load the same
    memory    d + 12 bytes a slot; d rounded up to four

The worst case is n verified vectors (all equal, or k >= n): then it costs what a plain float64 scan costs.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index import kernel_cache
from pergamum.index.arrays import is_mapped, readonly
from pergamum.index.base import Neighbours, padded
from pergamum.index.brute_force import fallback, snapshot
from pergamum.index.brute_force.blocks import Block, frozen, reserve, touched_bytes, used_slots, write
from pergamum.index.brute_force.work import READ, Work
from pergamum.index.mask import BLOCK_SLOTS, SlotMask
from pergamum.index.quantize import TERMS, QueryCodes, encode
from pergamum.index.quantize import padded as padded_dimension

_ENCODED_AT_ONCE = 8192
_QUERIES_AT_ONCE = 64
_METRICS = list(Metric)


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
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        if not kernel_cache.ready():
            found = fallback.before_kernels(self.metric, queries, k, vectors[: self.count], allowed, begin=begin)
            if found is not None:
                return found
        rows = readonly(np.asarray(vectors))
        parts = [
            self._scan(queries[start : start + _QUERIES_AT_ONCE], wanted, rows, allowed, begin)
            for start in range(0, len(queries), _QUERIES_AT_ONCE)
        ]
        return padded(_joined(parts, (self.count - begin) * len(queries)), k)

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

    def _scan(self, queries: Matrix, k: int, vectors: Matrix, allowed: SlotMask, begin: int) -> Work:
        """Search by the kernels."""
        from pergamum.index.brute_force import kernels  # noqa: PLC0415  # numba: loaded before `ready` says so
        from pergamum.index.quantize_kernels import encode_queries  # noqa: PLC0415

        work, metric = Work.begin(len(queries), k), _METRICS.index(self.metric)
        digits = np.zeros((len(queries), 2, padded_dimension(self.dimension)), dtype=np.int8)
        codes = QueryCodes(readonly(queries), digits, np.empty((len(queries), TERMS)))
        encode_queries(codes.raw, self.metric is Metric.COSINE, digits, codes.terms)
        for number, used in enumerate(used_slots(self.count)):
            first, flags = number * BLOCK_SLOTS, allowed.block(number)
            span = (first, max(0, begin - first), used)
            if span[1] < used:
                kernels.scan(self.blocks[number], flags, span, metric, kernels.BODY, vectors, codes, work)
        kernels.finish(metric, vectors, codes, work)
        return work


def _joined(parts: list[Work], scored: int) -> Neighbours:
    """Return the results of searches one below the other."""
    verified = sum(int(work.sizes[:, READ].sum()) for work in parts)
    if len(parts) == 1:
        return Neighbours(parts[0].slots, parts[0].distances, verified, scored)
    slots, distances = (np.concatenate(part) for part in zip(*((w.slots, w.distances) for w in parts), strict=True))
    return Neighbours(slots, distances, verified, scored)

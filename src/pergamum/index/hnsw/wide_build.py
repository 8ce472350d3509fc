"""Making the wide layout of a graph with any number of threads, always the same one."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index.arrays import as_kernel_input, readonly
from pergamum.index.base import Job
from pergamum.index.code_rows import CodeRows
from pergamum.index.hnsw.graph import ABSENT, Graph, scratch
from pergamum.index.hnsw.wide import Floats, Making, Wide, bits_of, edge, none, unfilled

_METRICS: Final = list(Metric)
_PIECE: Final = 1024
SEEDS: Final = 32
"""Slots one of which a search begins at; twice as many cost 0.3 us and find no more."""
MOST_TURNED: Final = 2**30
"""Bytes of rotated vectors kept while blocks are made; if they took more, each is rotated whenever it is met."""


@dataclass(frozen=True, slots=True, eq=False)
class Widening:
    """A finished graph, the slot it is entered by, and the codes of its slots."""

    metric: Metric
    rows: CodeRows
    graph: Graph
    entry: int
    job: Job

    def made(self, vectors: Matrix) -> Wide:
        """Return the blocks of all slots.

        O(n * (m + log d) * d); O(n * m * log d * d) where no rotated vectors are kept, see `_turned`.
        """
        count, dimension, links = len(self.rows.codes), vectors.shape[1], self.graph.links.shape[1]
        if self.entry < 0:
            return none(dimension, links)
        wide = unfilled(count, dimension, links)
        self._fill(wide, as_kernel_input(vectors))
        return Wide(readonly(wide.blocks), readonly(wide.signs), readonly(self._seeds()))

    def _seeds(self) -> npt.NDArray[np.uint32]:
        """Return the entry, from which all slots can be reached, and slots evenly spread."""
        present = np.flatnonzero(self.graph.levels != ABSENT)
        spread = present[np.unique(np.linspace(0, len(present) - 1, SEEDS - 1).astype(np.int64))]
        return np.concatenate([[self.entry], spread[spread != self.entry]]).astype(np.uint32)

    def _fill(self, wide: Wide, vectors: Matrix) -> None:
        from pergamum.index.brute_force.kernels import BODY  # noqa: PLC0415  # numba: loaded by then
        from pergamum.index.hnsw.wide_build_kernels import make_blocks  # noqa: PLC0415

        count, dimension = vectors.shape
        signs, links = readonly(wide.signs), self.graph.links
        turned = self._turned(vectors, signs)
        free = [(scratch(count, self.rows.codes.shape[1], 0), edge(dimension)) for _ in range(self.job.threads)]

        def work(making: Making) -> None:
            own, encoding = free.pop()  # as many as threads, so there is one
            make_blocks(BODY, self.rows, links, vectors, turned, making, signs, wide.blocks, own, encoding)
            free.append((own, encoding))

        self._run(work, self._pieces(count, dimension), (0.85, 1.0))

    def _turned(self, vectors: Matrix, signs: Floats) -> Floats:
        """Return all vectors rotated, (n, padded), or none of them, (0, padded), where they would take too much."""
        from pergamum.index.hnsw.wide_build_kernels import turn_rows  # noqa: PLC0415

        count, padded = len(vectors), signs.shape[1]
        levels, kept = self.graph.levels, count if 4 * count * padded <= MOST_TURNED else 0
        turned = np.empty((kept, padded), np.float32)

        def work(making: Making) -> None:
            turn_rows(levels, vectors, making, signs, turned)

        self._run(work, self._pieces(kept, vectors.shape[1]), (0.8, 0.85))
        return readonly(turned)

    def _pieces(self, count: int, dimension: int) -> list[Making]:
        number, bits = _METRICS.index(self.metric), bits_of(dimension)
        return [Making(number, bits, start, min(start + _PIECE, count)) for start in range(0, count, _PIECE)]

    def _run(self, work: Callable[[Making], None], pieces: Sequence[Making], share: tuple[float, float]) -> None:
        """Do `work` on every piece, in any order; report progress from share[0] to share[1]."""
        with ThreadPoolExecutor(self.job.threads, thread_name_prefix="build") as pool:
            for done, _ in enumerate(pool.map(work, pieces), 1):
                self.job.report(share[0] + (share[1] - share[0]) * done / len(pieces))

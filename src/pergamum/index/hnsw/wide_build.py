"""Making the wide layout of a graph with any number of threads, always the same one."""

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
from pergamum.index.hnsw.wide import MOST_SEEDS, Making, Wide, bits_of, edge, none, unfilled

_METRICS: Final = list(Metric)
_PIECE: Final = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Widening:
    """A finished graph, the slot it is entered by, and the codes of its slots."""

    metric: Metric
    rows: CodeRows
    graph: Graph
    entry: int
    job: Job

    def made(self, vectors: Matrix) -> Wide:
        """Return the blocks of all slots. O(n * m * (m + log d) * d)."""
        count, dimension, links = len(self.rows.codes), vectors.shape[1], self.graph.links.shape[1]
        if self.entry < 0:
            return none(dimension, links)
        wide = unfilled(count, dimension, links)
        self._fill(wide, as_kernel_input(vectors))
        return Wide(readonly(wide.blocks), readonly(wide.signs), readonly(self._seeds()))

    def _seeds(self) -> npt.NDArray[np.uint32]:
        """Return the entry, from which all slots can be reached, and slots evenly spread."""
        present = np.flatnonzero(self.graph.levels != ABSENT)
        spread = present[np.unique(np.linspace(0, len(present) - 1, MOST_SEEDS - 1).astype(np.int64))]
        return np.concatenate([[self.entry], spread[spread != self.entry]]).astype(np.uint32)

    def _fill(self, wide: Wide, vectors: Matrix) -> None:
        from pergamum.index.brute_force.kernels import BODY  # noqa: PLC0415  # numba: loaded by then
        from pergamum.index.hnsw.wide_build_kernels import make_blocks  # noqa: PLC0415

        count, dimension = vectors.shape
        free = [(scratch(count, self.rows.codes.shape[1], 0), edge(dimension)) for _ in range(self.job.threads)]
        signs, number, bits = readonly(wide.signs), _METRICS.index(self.metric), bits_of(dimension)

        def work(start: int) -> None:
            own, encoding = free.pop()  # as many as threads, so there is one
            making = Making(number, bits, start, min(start + _PIECE, count))
            make_blocks(BODY, self.rows, self.graph.links, vectors, making, signs, wide.blocks, own, encoding)
            free.append((own, encoding))

        with ThreadPoolExecutor(self.job.threads, thread_name_prefix="build") as pool:
            for done, _ in enumerate(pool.map(work, range(0, count, _PIECE))):
                self.job.report(0.8 + 0.2 * done * _PIECE / count)

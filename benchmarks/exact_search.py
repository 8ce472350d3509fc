"""Exact search on one thread against faiss IndexFlat and NumPy: one query at a time, and in batches.

    python -m benchmarks.exact_search [--data ../shared/data] [--fashion FOLDER] [--rounds 300] [--repeats 5]
    python -m benchmarks.exact_search --sets words-100

All sets in one run. Every round asks each opponent for one query, or one batch, in turns, so that what the machine does
meanwhile hits all of them; the answers are compared with the true neighbours outside the clock. Thread counts are set
before NumPy is imported. Two clocks run: the wall's, and the thread's own, which stands still while other processes
have the processor. A figure is the median of the repeats, each the median of its rounds, in brackets their range.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import faiss
import numpy as np
import numpy.typing as npt

from benchmarks import index_report
from benchmarks.harness import spread, table
from benchmarks.vector_sets import LIVE, DataSet, K, add_sets, pinned, sets
from pergamum.domain.vectors import Matrix, Metric
from pergamum.index import kernel_cache
from pergamum.index.brute_force.index import BruteForceIndex

BATCHES = (1, 64, 256, 1000)
"""Queries a call."""
OURS = "pergamum"
Answer = npt.NDArray[np.int64]
Search = Callable[[Matrix], Answer]


@dataclass
class Contestant:
    """One way to find the K nearest of some queries, and the milliseconds a query it took in each repeat."""

    name: str
    search: Search
    wall: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)


def our_index(data: DataSet) -> BruteForceIndex:
    return BruteForceIndex.empty(data.vectors.shape[1], data.metric).extended(data.vectors)


def contestants(data: DataSet, index: BruteForceIndex) -> list[Contestant]:
    return [
        Contestant(OURS, lambda queries: index.search(queries, K, data.vectors, LIVE).slots),
        Contestant("faiss flat", faiss_search(data)),
        Contestant("NumPy", numpy_search(data)),
    ]


def faiss_search(data: DataSet) -> Search:
    kind = faiss.IndexFlatIP if data.metric is Metric.COSINE else faiss.IndexFlatL2
    index, usual = kind(data.vectors.shape[1]), faiss.cvar.distance_compute_blas_threshold
    index.add(data.vectors)

    def search(queries: Matrix) -> Answer:
        """Multiply matrices for any batch, which is up to eight times as fast: by itself it does so for large ones."""
        faiss.cvar.distance_compute_blas_threshold = usual if len(queries) == 1 else 1
        found: Answer = index.search(queries, K)[1]
        faiss.cvar.distance_compute_blas_threshold = usual
        return found

    return search


def numpy_search(data: DataSet) -> Search:
    """Compare by products; under l2 by products and squared lengths, which is quick and not exact."""
    squares = np.einsum("nd,nd->n", data.vectors, data.vectors) if data.metric is Metric.L2 else None

    def search(queries: Matrix) -> Answer:
        distances = queries @ data.vectors.T
        distances *= -1.0 if squares is None else -2.0
        if squares is not None:
            distances += squares
        best = np.argpartition(distances, K, axis=1)[:, :K]
        return np.take_along_axis(best, np.argsort(np.take_along_axis(distances, best, 1), axis=1), 1)

    return search


def timed(contestants: Sequence[Contestant], batches: Sequence[Matrix], repeats: int) -> None:
    """Ask everybody for batch after batch, in turns, `repeats` times over all batches."""
    for contestant in contestants:
        for batch in batches[:5]:
            contestant.search(batch)
    for _ in range(repeats):
        taken = [[clocks(contestant, batch) for contestant in contestants] for batch in batches]
        for contestant, column in zip(contestants, zip(*taken, strict=True), strict=True):
            contestant.wall.append(median(wall for wall, _ in column))
            contestant.own.append(median(own for _, own in column))


def clocks(contestant: Contestant, batch: Matrix) -> tuple[float, float]:
    """Return the milliseconds a query: by the wall, and of this thread."""
    start, own_start = time.perf_counter(), time.thread_time()
    contestant.search(batch)
    own, wall = time.thread_time() - own_start, time.perf_counter() - start
    return 1e3 * wall / len(batch), 1e3 * own / len(batch)


def split(queries: Matrix, size: int, rounds: int) -> list[Matrix]:
    """Return batches of `size`, as many as `rounds` queries make, but no fewer than one."""
    whole = max(1, min(rounds, len(queries)) // size)
    return [queries[number * size : (number + 1) * size] for number in range(whole)]


def row(contestant: Contestant, size: int, base: Contestant, recall: float) -> list[str]:
    times = (spread(values, 3) for values in (contestant.wall, contestant.own))
    pairs = ((contestant.wall, base.wall), (contestant.own, base.own))
    ratios = (spread([one / own for one, own in zip(mine, ours, strict=True)], 2) for mine, ours in pairs)
    return [contestant.name, str(size), *times, *ratios, f"{recall:.4f}"]


def run(data: DataSet, rounds: int, repeats: int) -> tuple[str, bool]:
    """Return what to print, and whether every answer of ours was right."""
    index, rows, exact = our_index(data), list[list[str]](), True
    for size in BATCHES:
        batches = split(data.queries, size, max(rounds, size))
        everybody = contestants(data, index)
        timed(everybody, batches, repeats)
        for contestant in everybody:
            found = data.recall(np.concatenate([contestant.search(batch) for batch in batches]))
            exact &= found == 1.0 or contestant.name != OURS
            rows.append(row(contestant, size, everybody[0], found))
    count, dimension = data.vectors.shape
    head = ["", "queries a call", "ms a query", "of this thread", "of ours", "of this thread", "recall"]
    said = f"## {data.name}\n\n{count:,} vectors of {dimension} numbers, {data.metric}, k = {K}, one thread.\n\n"
    work = index.search(data.queries[:rounds], K, data.vectors, LIVE)
    verified = f"{work.verified / min(rounds, len(data.queries)):.1f} float32 vectors verified a query"
    size_said = f"index {index.memory_bytes / count:.0f} bytes a vector, {index.memory_bytes / data.vectors.nbytes:.2f}"
    return f"{said}{table(head, rows)}\n\n{verified}; {size_said} of float32.", exact


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    add_sets(parser)
    parser.add_argument("--rounds", type=int, default=300, help="queries a repeat")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    faiss.omp_set_num_threads(1)
    print(index_report.environment(), end="\n\n")
    if not kernel_cache.prepare():
        print("the kernels could not be compiled")
        return 1
    right = True
    with pinned():
        for data in sets(arguments):
            text, exact = run(data, arguments.rounds, arguments.repeats)
            print(text, end="\n\n", flush=True)
            right &= exact
    if not right:
        print("recall is below 1: exact search is broken")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())

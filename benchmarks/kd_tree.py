"""The kd-tree, one query at a time through Python on one thread, against scipy's cKDTree on the same points.

    python -m benchmarks.kd_tree

Points and queries are uniform. Both answer the same queries in turns of BATCH, so that what the machine does meanwhile
hits both; a figure is the median over the turns, with the range from the 5th to the 95th percentile. Every answer is
compared. scipy keeps float64 copies of the float32 points, so that both compute the same distances.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from benchmarks.harness import environment, table
from pergamum.domain.vectors import Matrix, Metric
from pergamum.index import kernel_cache
from pergamum.index.base import Job, Route, Strategy
from pergamum.index.kd_tree.index import KdTreeIndex
from pergamum.index.kd_tree.params import KdTreeParams
from pergamum.index.mask import SlotMask

K = 10
BATCH = 50
DIMENSIONS = (3, 8)
HEAD = ("dimensions", "what", "one query", "5..95%", "of pergamum's time", "build", "build threads")

Answer = npt.NDArray[np.int64]
Search = Callable[[Matrix], Answer]


@dataclass
class Contestant:
    """One tree, what it took to build and to ask."""

    name: str
    build_seconds: float
    threads: int
    search: Search
    turns: list[float] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def ask(self, queries: Matrix) -> None:
        """Take a turn: one query after the other."""
        search = self.search
        start = time.perf_counter()
        answers = [search(query[None]) for query in queries]
        self.turns.append((time.perf_counter() - start) / len(queries))
        self.answers += answers


def pergamum(vectors: Matrix, threads: int) -> Contestant:
    live, route = SlotMask(), Route(Strategy.TREE)
    start = time.perf_counter()
    index = KdTreeIndex.build(vectors, Metric.L2, live, KdTreeParams(), Job(threads, lambda _: None))
    seconds = time.perf_counter() - start
    return Contestant("pergamum", seconds, threads, lambda query: index.search(query, K, vectors, live, route).slots[0])


def scipy(vectors: Matrix) -> Contestant:
    points = vectors.astype(np.float64)
    start = time.perf_counter()
    tree = cKDTree(points)
    seconds = time.perf_counter() - start
    return Contestant("scipy cKDTree", seconds, 1, lambda query: tree.query(query[0], K)[1])


def row(contestant: Contestant, base: Contestant, dimension: int) -> list[str]:
    low, middle, high = np.percentile(np.array(contestant.turns[1:]) * 1e6, [5, 50, 95])
    ratio = np.median(np.array(contestant.turns[1:]) / np.array(base.turns[1:]))
    build = f"{contestant.build_seconds:.2f} s"
    figures = [f"{middle:.1f} us", f"{low:.1f}..{high:.1f}", f"{ratio:.2f} x", build, str(contestant.threads)]
    return [str(dimension), contestant.name, *figures]


def run(count: int, dimension: int, rounds: int) -> list[list[str]]:
    """Return the rows of one dimension; end the benchmark when an answer differs."""
    random = np.random.default_rng(dimension)
    vectors = random.random((count, dimension), dtype=np.float32)
    queries = random.random((rounds * BATCH, dimension), dtype=np.float32)
    contestants = [pergamum(vectors, threads=1), pergamum(vectors, threads=2), scipy(vectors)]
    for start in range(0, len(queries), BATCH):
        for contestant in contestants:
            contestant.ask(queries[start : start + BATCH])
    for other in contestants[1:]:
        if not np.array_equal(contestants[0].answers, other.answers):
            raise SystemExit(f"{other.name} and {contestants[0].name} differ")
    return [row(contestant, contestants[0], dimension) for contestant in contestants]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--count", type=int, default=1_000_000, help="points")
    parser.add_argument("--rounds", type=int, default=40, help=f"turns of {BATCH} queries; the first is not counted")
    arguments = parser.parse_args()
    if not kernel_cache.prepare():
        print("the kernels could not be compiled")
        return 1
    print(environment() + f"scipy {version('scipy')}\n{arguments.count:,} uniform points, k = {K}\n")
    rows = [line for dimension in DIMENSIONS for line in run(arguments.count, dimension, arguments.rounds)]
    print(table(HEAD, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())

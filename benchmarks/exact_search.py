"""Exact search, one query at a time on one thread, against faiss IndexFlat and NumPy on the same vectors.

    python benchmarks/exact_search.py --data ../shared/data

Every round asks each opponent for one query, in turns, so that what the machine does meanwhile hits all of them; the
answers are compared with the true neighbours outside the clock. Thread counts are set before NumPy is imported. Two
clocks run: the wall's, and the thread's own, which stands still while other processes have the processor.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import faiss
import numpy as np
import numpy.typing as npt

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index import kernel_cache
from pergamum.index.brute_force.index import BruteForceIndex
from pergamum.index.mask import SlotMask

K = 10
SETS = ("words-100", "sentences-384")
Answer = npt.NDArray[np.int64]
Search = Callable[[Matrix], Answer]


@dataclass
class Contestant:
    """One way to find the K nearest of one query, and what it took."""

    name: str
    search: Search
    seconds: list[float] = field(default_factory=list)
    own_seconds: list[float] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def ask(self, query: Matrix) -> None:
        start, own_start = time.perf_counter(), time.thread_time()
        answer = self.search(query)
        self.own_seconds.append(time.thread_time() - own_start)
        self.seconds.append(time.perf_counter() - start)
        self.answers.append(answer)


def pergamum_search(vectors: Matrix) -> tuple[Search, BruteForceIndex]:
    index = BruteForceIndex.empty(vectors.shape[1], Metric.COSINE).extended(vectors)
    live = SlotMask()
    return lambda query: index.search(query, K, vectors, live).slots[0], index


def faiss_search(unit: Matrix) -> Search:
    index = faiss.IndexFlatIP(unit.shape[1])
    index.add(unit)
    return lambda query: index.search(query, K)[1][0]


def numpy_search(unit: Matrix) -> Search:
    def search(query: Matrix) -> Answer:
        similarity = unit @ query[0]
        best = np.argpartition(-similarity, K)[:K]
        return best[np.argsort(-similarity[best])]

    return search


def unit_length(vectors: Matrix) -> Matrix:
    unit: Matrix = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def recall(found: list[Answer], vectors: Matrix, queries: Matrix, distances: npt.NDArray[np.float64]) -> float:
    """The share of answers at most as far as the true K-th neighbour; equally far ones count."""
    hits = 0
    for answer, query, true in zip(found, queries, distances, strict=True):
        similarity = unit_length(vectors[answer].astype(np.float64)) @ (query / np.linalg.norm(query))
        hits += int((1.0 - similarity <= true[K - 1] + 1e-6).sum())
    return hits / (K * len(found))


def report(contestant: Contestant, base: Contestant, recall: float) -> bool:
    """Print one line; return whether every answer was right."""
    low, middle, high = np.percentile(np.array(contestant.seconds[5:]) * 1e3, [5, 50, 95])
    own, own_base = np.median(contestant.own_seconds[5:]), np.median(base.own_seconds[5:])
    print(
        f"  {contestant.name:<10}  {middle:6.3f} ms (5..95%: {low:.3f}..{high:.3f})"
        f"  {middle / 1e3 / np.median(base.seconds[5:]):5.2f} x"
        f"   own {own * 1e3:6.3f} ms  {own / own_base:5.2f} x   recall {recall:.4f}"
    )
    return recall == 1.0


def run(name: str, data: Path, rounds: int) -> bool:
    with np.load(data / f"{name}.npz") as arrays:
        vectors = arrays["base"].astype(np.float32)
        queries = arrays["queries"][:rounds].astype(np.float32)
        true = arrays["distances"][:rounds]
    unit, unit_queries = unit_length(vectors), unit_length(queries)
    ours, index = pergamum_search(vectors)
    contestants = [
        Contestant("pergamum", ours),
        Contestant("faiss flat", faiss_search(unit)),
        Contestant("numpy", numpy_search(unit)),
    ]
    for number in range(-5, len(queries)):
        for contestant in contestants:
            own = queries if contestant.name == "pergamum" else unit_queries
            contestant.ask(own[max(number, 0)][None])
    print(f"\n{name}: {len(vectors):,} vectors of {vectors.shape[1]}, k = {K}, {len(queries)} queries, one thread")
    exact = [report(each, contestants[0], recall(each.answers[5:], vectors, queries, true)) for each in contestants]
    found = index.search(queries, K, vectors, SlotMask())
    start = time.perf_counter()
    index.search(queries[:64], K, vectors, SlotMask())
    batch = (time.perf_counter() - start) / min(64, len(queries))
    print(
        f"  verified {found.verified / len(queries):.1f} float32 vectors a query;"
        f" in a batch of 64: {batch * 1e3:.3f} ms a query;"
        f" index {index.memory_bytes / len(vectors):.0f} bytes a vector,"
        f" {index.memory_bytes / vectors.nbytes:.2f} of float32"
    )
    return exact[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the .npz files")
    parser.add_argument("--rounds", type=int, default=300, help="queries a set")
    arguments = parser.parse_args()
    faiss.omp_set_num_threads(1)
    if not kernel_cache.prepare():
        print("the kernels could not be compiled")
        return 1
    exact = [run(name, arguments.data, arguments.rounds) for name in SETS]
    if not all(exact):
        print("recall is below 1: exact search is broken")
    return 0 if all(exact) else 1


if __name__ == "__main__":
    sys.exit(main())

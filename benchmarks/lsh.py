"""Hash tables: recall, vectors verified and queries/s by effort, beside our exact scan in the same run.

    python -m benchmarks.lsh --data ../shared/data

One query at a time on one thread. Recall is against the given exact neighbours; equally far ones count. Times are the
thread's own, the least of three rounds.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index import kernel_cache
from pergamum.index.base import Job, Neighbours, Route, Strategy
from pergamum.index.brute_force.index import BruteForceIndex
from pergamum.index.lsh.index import LshIndex
from pergamum.index.lsh.params import LshParams
from pergamum.index.mask import SlotMask

K = 10
SETS = ("words-100", "sentences-384")
WANTED, MOST_VERIFIED = 0.9, 0.05
ROUNDS = 3
_LIVE = SlotMask()


@dataclass(frozen=True)
class DataSet:
    vectors: Matrix
    queries: Matrix
    distances: npt.NDArray[np.float64]

    @classmethod
    def load(cls, path: Path, queries: int) -> "DataSet":
        with np.load(path) as arrays:
            base, asked = arrays["base"].astype(np.float32), arrays["queries"][:queries].astype(np.float32)
            return cls(base, asked, arrays["distances"][:queries].astype(np.float64))


@dataclass(frozen=True)
class Measured:
    """Means of one query."""

    recall: float
    verified: float
    scored: float
    seconds: float


def measured(data: DataSet, search: Callable[[Matrix], Neighbours]) -> Measured:
    """Ask each query by itself."""
    seconds, found = np.inf, list[Neighbours]()
    for _ in range(ROUNDS):
        start = time.thread_time()
        found = [search(data.queries[i : i + 1]) for i in range(len(data.queries))]
        seconds = min(seconds, (time.thread_time() - start) / len(data.queries))
    distances = np.concatenate([each.distances for each in found])
    return Measured(
        recall=float((distances <= data.distances[:, K - 1 : K] + 1e-6).mean()),
        verified=sum(each.verified for each in found) / len(found) / len(data.vectors),
        scored=sum(each.scored for each in found) / len(found) / len(data.vectors),
        seconds=seconds,
    )


def exact(data: DataSet) -> Measured:
    index = BruteForceIndex.empty(data.vectors.shape[1], Metric.COSINE).extended(data.vectors)
    return measured(data, lambda query: index.search(query, K, data.vectors, _LIVE))


def by_effort(data: DataSet, params: LshParams) -> list[Measured]:
    """Build and measure an index; print a line for each effort."""
    start = time.perf_counter()
    index = LshIndex.build(data.vectors, Metric.COSINE, _LIVE, params, Job(1, lambda _: None))
    tables, bits = params.chosen(len(data.vectors))
    print(
        f"\n  {tables} tables of {bits} bits: built in {time.perf_counter() - start:.1f} s on one thread,"
        f" {index.memory_bytes / data.vectors.nbytes:.2f} of float32"
    )
    print("    buckets   recall@10   verified     scored   queries/s")
    results = []
    for effort in index.efforts(Strategy.TABLES, K):
        route = Route(Strategy.TABLES, effort)
        result = measured(data, partial(index.search, k=K, vectors=data.vectors, allowed=_LIVE, route=route))
        results.append(result)
        print(
            f"    {effort:7,}      {result.recall:.4f}    {result.verified:7.3%}    {result.scored:7.2%}"
            f"    {1 / result.seconds:8,.0f}"
        )
        if result.recall > 0.985:
            break
    return results


def run(name: str, arguments: argparse.Namespace) -> bool:
    """Print the tables of one set; return whether the aim was reached."""
    data = DataSet.load(arguments.data / f"{name}.npz", arguments.queries)
    scan = exact(data)
    print(f"\n{name}: {len(data.vectors):,} vectors of {data.vectors.shape[1]}, k = {K}, {len(data.queries)} queries")
    print(f"  exact scan: recall {scan.recall:.4f}, {scan.verified:.3%} verified, {1 / scan.seconds:,.0f} queries/s")
    chosen = by_effort(data, LshParams())
    if arguments.all:
        bits = LshParams().chosen(len(data.vectors))[1]
        for tables, other in ((8, bits), (32, bits), (16, bits - 2), (16, bits + 1)):
            by_effort(data, LshParams(tables=tables, bits=other))
    return any(result.recall >= WANTED and result.verified <= MOST_VERIFIED for result in chosen)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the .npz files")
    parser.add_argument("--queries", type=int, default=500, help="queries a set")
    parser.add_argument("--all", action="store_true", help="other numbers of tables and bits too")
    arguments = parser.parse_args()
    if not kernel_cache.prepare():
        print("the kernels could not be compiled")
        return 1
    reached = [run(name, arguments) for name in SETS]
    if not all(reached):
        print(f"no effort reached recall {WANTED} with {MOST_VERIFIED:.0%} of the vectors verified")
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())

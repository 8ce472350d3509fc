"""Our graph against hnswlib, faiss and usearch: searches, builds, memory, two threads, growth, filters.

    python -m benchmarks.vector_indexes             prints the tables and writes docs/benchmarks/
    python -m benchmarks.vector_indexes --quick     small samples, in a minute or two; writes only with --out

Everything is measured in one run: one query at a time through each library's Python call, recall@10 against the exact
neighbours. Single-thread figures are of one core to which the process is pinned. Contestants take turns within every
repeat; a figure is the median of the repeats, in brackets their least and greatest.
"""

import argparse
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_WAIT_POLICY="passive", MKL_NUM_THREADS="1")

import numpy as np
import numpy.typing as npt

from benchmarks import index_report, plots
from benchmarks.curves import Curve, measured
from benchmarks.filtered import Case, Tried, cases, tried
from benchmarks.growth import RECALL, Growth, grown
from benchmarks.harness import said
from benchmarks.index_report import Results, SetResults, Work
from benchmarks.peers import (
    GRAPH,
    Contestant,
    clocked,
    of_faiss,
    of_faiss_codes,
    of_hnswlib,
    of_usearch,
    our_index,
    ours,
)
from benchmarks.two_cores import builds, searches, workers
from benchmarks.vector_sets import LIVE, SETS, DataSet, K, Scale, pinned, unit
from pergamum.index import kernel_cache
from pergamum.index.base import Route, Strategy
from pergamum.index.hnsw.index import HnswIndex
from pergamum.index.hnsw.params import Layout


@dataclass(frozen=True)
class Extent(Scale):
    """And for how long two threads search, how many vectors growth is measured over, and queries of each filter."""

    search_seconds: float
    growth: tuple[int, ...]
    filter_queries: int


FULL = Extent(None, 1000, 300, 5, 5, 1.5, (10_000, 30_000, 100_000), 200)
QUICK = Extent(12_000, 200, 200, 3, 1, 0.5, (3_000, 6_000), 50)


def contestants(data: DataSet) -> tuple[HnswIndex, list[Contestant]]:
    """Build everybody's index. Ours and hnswlib's take one thread; ours is built before and after, for the noise."""
    first = clocked(lambda: our_index(data.vectors, 1), 1)
    peers = [of_hnswlib(data)]
    again = clocked(lambda: our_index(data.vectors, 1), 1)
    said(
        f"{data.name}: built ours in {first.seconds:.1f}, {again.seconds:.1f} s, hnswlib in {peers[0].seconds[0]:.1f} s"
    )
    both = os.cpu_count() or 1
    peers += [of_faiss(data, both), of_faiss_codes(data, both)]
    peers.append(of_usearch(data, both, "bf16"))
    index: HnswIndex = again.made
    return index, [ours(data, index, (first.seconds, again.seconds)), *peers]


def warm_up() -> None:
    """Load what builds and searches load when they are first called."""
    vectors = unit(np.random.default_rng(0).standard_normal((400, 64)))
    index = our_index(vectors, 1)
    for strategy in index.strategies:
        index.search(vectors[:20], K, vectors, LIVE, Route(strategy, 20))


def work(data: DataSet, index: HnswIndex, effort: int) -> Work:
    """Ask every query by itself."""
    route, scored, verified, seconds = Route(Strategy.GRAPH, effort), list[int](), list[int](), list[float]()
    with pinned():
        for query in data.one_by_one():
            start = time.perf_counter()
            found = index.search(query, K, data.vectors, LIVE, route)
            seconds.append(time.perf_counter() - start)
            scored.append(found.scored)
            verified.append(found.verified)
    return Work(effort, *(percentiles(values) for values in (scored, verified, seconds)))


def percentiles(values: list[int] | list[float]) -> npt.NDArray[np.float64]:
    return np.percentile(values, [50, 99])


def of_set(data: DataSet, scale: Extent) -> tuple[HnswIndex, SetResults]:
    """Measure one set."""
    said(f"{data.name}: building")
    index, everybody = contestants(data)
    said(f"{data.name}: searching")
    curves = measured(everybody, scale.repeats, scale.asked)
    point = curves[0].reaching(RECALL)
    said(f"{data.name}: two threads and two processes")
    with workers(data, index, 2) as team:
        found = searches(team, scale.repeats, point.effort, scale.search_seconds)
        built, partitioned = (builds(team, scale.builds, kind) for kind in ("hnsw", "ivf"))
    compact = our_index(data.vectors, 2, params=replace(GRAPH, layout=Layout.COMPACT)).memory_bytes
    done = work(data, index, point.effort)
    return index, SetResults(data, curves, done, found, built, partitioned, compact)


def of_growth(curve: Curve, scale: Extent) -> Growth:
    said("growth")
    return grown(curve.contestant, scale.growth, scale.repeats, scale.asked)


def of_filters(data: DataSet, index: HnswIndex, scale: Extent) -> list[tuple[Case, list[Tried]]]:
    said("filters")
    return [(case, tried(case, scale.repeats)) for case in cases(data, index, scale.filter_queries)]


def run(folder: Path, scale: Extent) -> Results:
    sets, growth, filters = list[SetResults](), None, None
    for name in SETS:
        data = scale.of(DataSet.load(folder, name))
        index, results = of_set(data, scale)
        sets.append(results)
        if name == SETS[0]:
            growth = of_growth(results.curves[0], scale)
        else:
            filters = of_filters(data, index, scale)
    assert growth is not None, "there are two sets"
    assert filters is not None
    return Results(sets, growth, filters)


def write(folder: Path, results: Results, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for one in results.sets:
        plots.recall_against_rate(folder / f"recall-{one.data.name}.png", one.data.name, one.curves)
    plots.build_times(folder / "build.png", [(one.data.name, one.curves) for one in results.sets])
    plots.growth(folder / "growth.png", results.growth)
    (folder / "vector-indexes.md").write_text(text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    data = os.environ.get("PERGAMUM_TEST_DATA") or "../shared/data"
    parser.add_argument("--data", type=Path, default=Path(data), help="folder of the .npz files")
    parser.add_argument("--quick", action="store_true", help="small samples of the sets")
    parser.add_argument("--out", type=Path, help="where tables and plots go; docs/benchmarks unless --quick")
    arguments = parser.parse_args()
    before = index_report.environment()
    if not kernel_cache.prepare():
        print("the kernels could not be compiled")
        return 1
    warm_up()
    start = time.perf_counter()
    results = run(arguments.data, QUICK if arguments.quick else FULL)
    text = index_report.text(results, before, time.perf_counter() - start)
    print(text)
    out = arguments.out or (None if arguments.quick else Path("docs/benchmarks"))
    if out is not None:
        write(out, results, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Our indexes beside hnswlib, faiss, usearch, glass, SymphonyQG and ScaNN: speed at a recall, builds, memory.

    python -m benchmarks.fastest                    prints the tables
    python -m benchmarks.fastest --report           writes docs/benchmarks/fastest.md and its plots, too
    python -m benchmarks.fastest --quick            samples of the sets, in a few minutes

One thread on one core to which the process is pinned, one query at a time through each library's Python call, k = 10,
recall@10 against the exact neighbours, everybody in one run. Where a library's recommendations leave a choice its
settings are swept first, and those that are the best of it at one of the recalls take part. Contestants take turns
within every repeat, effort by effort (`curves.py`); a rate is read off between two efforts, log-linear. A figure is the
median of the repeats, in brackets their least and greatest. Builds take turns as well.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np

from benchmarks import fastest_report, index_report, newest_peers, peers, plots
from benchmarks.curves import measured
from benchmarks.fastest_report import RECALLS, SetResults, rate_of
from benchmarks.harness import said
from benchmarks.peers import Contestant, clocked, our_index, ours
from benchmarks.vector_sets import DataSet, Scale, add_sets, sets, unit
from pergamum.domain.vectors import Metric
from pergamum.index import kernel_cache
from pergamum.index.hnsw.params import HnswParams, Layout

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "benchmarks"
LAYOUTS = {f"pergamum hnsw {layout}": replace(peers.GRAPH, layout=layout) for layout in Layout}
"""Our graphs that take part, by the name they are shown with; names begin with "pergamum hnsw"."""


FULL = Scale(None, 1000, 500, 5, 5)
QUICK = Scale(8_000, 200, 200, 3, 2)


@dataclass(frozen=True)
class Maker:
    """Builds one index and returns a contestant for each of its settings. `again`: its builds are compared, too."""

    make: Callable[[DataSet], Iterable[Contestant]]
    again: bool = False


def makers(data: DataSet) -> Iterator[Maker]:
    """Yield everybody, ours first."""
    for name, params in LAYOUTS.items():
        yield Maker(partial(of_our_graph, name=name, params=params), again=True)
    yield Maker(alone(partial(peers.of_our_ivf, threads=1)), again=True)
    yield Maker(alone(peers.of_our_scan), again=True)
    yield Maker(alone(peers.of_hnswlib), again=True)
    yield Maker(alone(newest_peers.of_symphony), again=True)
    yield Maker(alone(partial(newest_peers.of_symphony, degree=64)))
    for share in (1, 2):
        yield Maker(partial(newest_peers.of_scann, share=share), again=True)
        if data.metric is Metric.COSINE:
            yield Maker(partial(newest_peers.of_scann, share=share, spilled=True))
    yield Maker(alone(newest_peers.of_glass))
    yield Maker(newest_peers.of_faiss_partitions)
    yield Maker(alone(partial(peers.of_faiss, threads=1)))
    yield Maker(alone(partial(peers.of_faiss_codes, threads=1)))
    yield Maker(alone(partial(peers.of_usearch, threads=1, dtype="bf16")))


def alone(make: Callable[[DataSet], Contestant]) -> Callable[[DataSet], list[Contestant]]:
    """Return what makes a list of the one contestant."""
    return lambda data: [make(data)]


def of_our_graph(data: DataSet, name: str, params: HnswParams, threads: int = 1) -> list[Contestant]:
    made = clocked(lambda: our_index(data.vectors, threads, data.metric, params), threads)
    return [ours(data, made.made, (made.seconds,), threads, name)]


def built(data: DataSet, builds: int) -> list[Contestant]:
    """Return all contestants; those whose builds are compared are built again and again, in turns."""
    found, seconds = dict[str, Contestant](), dict[str, tuple[float, ...]]()
    for turn in range(builds):
        for maker in makers(data):
            if turn == 0 or maker.again:
                made = {contestant.label: contestant for contestant in maker.make(data)}
                found |= made
                seconds |= {label: seconds.get(label, ()) + one.seconds for label, one in made.items()}
                said(f"{data.name}: built {next(iter(made))} in {next(iter(made.values())).seconds[0]:.1f} s")
    return [replace(contestant, seconds=seconds[label]) for label, contestant in found.items()]


def shortlisted(contestants: Sequence[Contestant], asked: int) -> list[Contestant]:
    """Leave out settings that are not the best of their name at any recall; of those that are alone, none."""
    several = [one for one in contestants if sum(one.name == other.name for other in contestants) > 1]
    curves = measured(several, 1, asked) if several else []
    kept = set[str]()
    for name in {one.name for one in several}:
        group = [curve for curve in curves if curve.contestant.name == name]
        kept |= {max(group, key=lambda curve: rate_of(curve, recall)).contestant.label for recall in RECALLS}
    return [one for one in contestants if one not in several or one.label in kept]


def of_set(data: DataSet, scale: Scale) -> SetResults:
    """Measure one set."""
    everybody = built(data, scale.builds)
    said(f"{data.name}: {len(everybody)} settings")
    chosen = shortlisted(everybody, scale.asked)
    said(f"{data.name}: searching, {len(chosen)} contestants")
    return SetResults(data, measured(chosen, scale.repeats, scale.asked))


def warm_up() -> None:
    """Load what builds and searches load when they are first called."""
    random = np.random.default_rng(0)
    vectors = unit(random.standard_normal((2_000, 64)))
    for metric in (Metric.COSINE, Metric.L2):
        data = DataSet("warm-up", vectors, vectors[:20], np.zeros(20), metric)
        for name, params in LAYOUTS.items():
            of_our_graph(data, name, params)[0].aimed(20)(vectors[:1])
        peers.of_our_ivf(data, 1).aimed(2)(vectors[:1])
        peers.of_our_scan(data).aimed(0)(vectors[:1])


def write(folder: Path, results: Sequence[SetResults], text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for one in results:
        plots.best_of_each(folder / f"fastest-{one.data.name}.png", one.data.name, one.curves)
    (folder / "fastest.md").write_text(text)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    add_sets(parser)
    parser.add_argument("--repeats", type=int, help="how often everybody is asked")
    parser.add_argument("--builds", type=int, help="how often ours, hnswlib, SymphonyQG and ScaNN are built")
    parser.add_argument("--quick", action="store_true", help="samples of the sets")
    parser.add_argument("--report", action="store_true", help="write docs/benchmarks/, or what --out says")
    parser.add_argument("--out", type=Path, default=FOLDER)
    return parser.parse_args()


def main() -> int:
    arguments = options()
    scale = QUICK if arguments.quick else FULL
    scale = replace(scale, repeats=arguments.repeats or scale.repeats, builds=arguments.builds or scale.builds)
    before = index_report.environment(fastest_report.PEERS)
    if not kernel_cache.prepare():
        print("the kernels could not be compiled")
        return 1
    warm_up()
    start = time.perf_counter()
    results = [of_set(scale.of(data), scale) for data in sets(arguments)]
    text = fastest_report.text(results, before, time.perf_counter() - start)
    print(text)
    if arguments.report:
        write(arguments.out, results, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

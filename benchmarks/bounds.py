"""What bounds a query: its instructions, and the lines it reads from beyond the core's own caches.

    python -m benchmarks.bounds                     all sets, both recalls, half an hour; needs valgrind
    python -m benchmarks.bounds --report            writes docs/benchmarks/bounds.md, too
    python -m benchmarks.bounds --sets fashion-mnist --recalls 0.95

Each index is built and timed here, on one core, and saved. A second Python loads it under cachegrind and asks queries
(`bounds_child.py`); what a run without the counted queries counts is taken off, so loading drops out. Cachegrind knows
no AVX-512: it runs the bodies for AVX2, which need about twice the instructions where registers are half as wide, and
read the same lines. Python's own instructions, from the call to the answer, are among them.

A line is counted where it is in neither the first level nor the second, as cachegrind simulates them. `in order` is
what as many lines take that lie one behind the other, `at random` with as many under way as the core can have: both are
measured in the same run, from memory beyond every cache, with nothing else to do. Partitions are read in order. A walk
through a graph reads a few dozen lines in order at each place, and where it goes next depends on what it has read.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from benchmarks import index_report, peers
from benchmarks.curves import Point, measured
from benchmarks.fastest import FOLDER, warm_up
from benchmarks.fastest_report import RECALLS
from benchmarks.harness import said, spread, table
from benchmarks.memory_reads import Reads
from benchmarks.peers import Contestant, Search
from benchmarks.vector_sets import LIVE, DataSet, K, add_sets, sets
from pergamum.domain.vectors import Matrix, Metric
from pergamum.index import kernel_cache
from pergamum.index.base import Neighbours, Route, Strategy
from pergamum.index.mask import SlotMask

THREADS, REPEATS, TIMED, COUNTED = 2, 5, 500, 400
FIRST_LEVEL: Final = "49152,12,64"
SECOND_LEVEL: Final = "1048576,16,64"
_TOTALS: Final = re.compile(r"^(summary|events): *(.+)$", re.MULTILINE)


class Saved(Protocol):
    """An index that can be searched and saved."""

    def search(self, queries: Matrix, k: int, vectors: Matrix, allowed: SlotMask, route: Route) -> Neighbours:
        """Return near slots."""

    def save(self, folder: Path) -> None:
        """Write it into `folder`."""


@dataclass(frozen=True)
class Kind:
    """One kind of index: how it is built and searched."""

    build: Callable[[Matrix, int, Metric], Saved]
    strategy: Strategy
    efforts: tuple[int, ...]

    def contestant(self, name: str, data: DataSet, index: Saved) -> Contestant:
        """Return the index as what can be timed."""

        def aimed(effort: int) -> Search:
            route = Route(self.strategy, effort)
            return lambda query: index.search(query, K, data.vectors, LIVE, route).slots

        return Contestant(name, data, aimed, (0.0,), THREADS, 0, efforts=self.efforts)


KINDS: Final = {
    "hnsw": Kind(peers.our_index, Strategy.GRAPH, peers.EFFORTS),
    "ivf": Kind(peers.our_partitions, Strategy.PARTITIONS, peers.PARTITIONS),
}


@dataclass(frozen=True)
class Bound:
    """What one query at `point` takes and counts, on average."""

    kind: str
    recall: float
    point: Point
    instructions: float
    lines: float

    def cells(self, reads: Reads) -> list[str]:
        """Return a row of the table."""
        return [
            self.kind,
            f"{self.recall}",
            f"{self.point.effort}, {self.point.recall:.3f}",
            spread([1e6 * seconds for seconds in self.point.seconds], 1),
            f"{self.instructions:,.0f}",
            f"{self.lines:,.0f}",
            f"{self.lines * reads.in_order / 1e3:.1f}",
            f"{self.lines * reads.at_random / 1e3:.1f}",
        ]


def bounds(data: DataSet, recalls: Sequence[float], folder: Path) -> Iterator[Bound]:
    """Yield what was found on one set for each kind and recall."""
    np.save(folder / "vectors.npy", data.vectors)
    np.save(folder / "queries.npy", data.queries)
    for name, kind in KINDS.items():
        index = kind.build(data.vectors, THREADS, data.metric)
        (folder / name).mkdir()
        index.save(folder / name)
        curve = measured([kind.contestant(name, data, index)], REPEATS, TIMED)[0]
        said(f"{data.name}, {name}: timed")
        compile_for_child(folder, name)
        before = totals(folder, name, 1, 0)
        for recall in recalls:
            point = curve.reaching(recall)
            after = totals(folder, name, point.effort, COUNTED)
            instructions = after["Ir"] - before["Ir"]
            lines = sum(after[event] - before[event] for event in ("DLmr", "DLmw"))
            said(f"{data.name}, {name}: counted at effort {point.effort}")
            yield Bound(name, recall, point, instructions / COUNTED, lines / COUNTED)


def totals(folder: Path, kind: str, effort: int, count: int) -> dict[str, int]:
    """Return what cachegrind counts of a run that asks `count` queries. Raises `CalledProcessError`."""
    with tempfile.NamedTemporaryFile() as out:
        cache = [f"--D1={FIRST_LEVEL}", f"--LL={SECOND_LEVEL}", f"--cachegrind-out-file={out.name}"]
        python = [sys.executable, "-m", "benchmarks.bounds_child", str(folder), kind, str(effort), str(count)]
        command = ["valgrind", "--tool=cachegrind", "--cache-sim=yes", *cache, *python]
        subprocess.run(command, check=True, capture_output=True)
        found = dict(_TOTALS.findall(Path(out.name).read_text()))
    return dict(zip(found["events"].split(), map(int, found["summary"].split()), strict=True))


def compile_for_child(folder: Path, kind: str) -> None:
    """Fill the cache of the child's kernels outside cachegrind, where compiling takes a minute and not an hour."""
    subprocess.run([sys.executable, "-m", "benchmarks.bounds_child", str(folder), kind, "1", "0"], check=True)


HEAD: Final = [
    "index",
    "recall",
    "effort, its recall",
    "us a query",
    "instructions (AVX2)",
    "lines",
    "us of them in order",
    "us at random",
]


def section(data: DataSet, found: Sequence[Bound], reads: Reads) -> str:
    """Return what was found on one set."""
    return f"## {data.name}\n\n" + table(HEAD, [bound.cells(reads) for bound in found])


def page(sections: Sequence[str], reads: Reads, environment: str) -> str:
    """Return all that was found."""
    memory = (
        f"A line of 64 bytes takes {reads.in_order:.2f} ns read in order, {reads.at_random:.1f} ns at random with many "
        f"under way, {reads.one_by_one:.0f} ns one after the other."
    )
    return "\n\n".join([HEADING, "    " + environment.replace("\n", "\n    "), memory, *sections]) + "\n"


HEADING: Final = """# What bounds a query

Written by `python -m benchmarks.bounds --report`; its docstring says how it is counted. One thread, k = 10. `lines` are
those read from beyond the second level of cache."""


def options() -> argparse.Namespace:
    """Return what was asked on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    add_sets(parser)
    parser.add_argument("--recalls", nargs="+", type=float, default=list(RECALLS))
    parser.add_argument("--report", action="store_true", help="write docs/benchmarks/, or what --out says")
    parser.add_argument("--out", type=Path, default=FOLDER)
    return parser.parse_args()


def main() -> int:
    """Measure, count and print."""
    arguments, before = options(), index_report.environment(())
    if not kernel_cache.prepare():
        print("the kernels could not be compiled")
        return 1
    warm_up()
    reads, sections = Reads.measured(), list[str]()
    for data in sets(arguments):
        with tempfile.TemporaryDirectory() as folder:
            sections.append(section(data, list(bounds(data, arguments.recalls, Path(folder))), reads))
    text = page(sections, reads, before)
    print(text)
    if arguments.report:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "bounds.md").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Two threads of one process against two independent processes: builds of our graph and partitions, searches.

    python -m benchmarks.two_cores [--sets words-100 sentences-384 fashion-mnist] [--repeats 5]

Workers are processes of their own that map the same vectors. Both ways take turns, on the same two cores.
"""

import multiprocessing
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import spread, table
from benchmarks.peers import our_index, our_partitions
from benchmarks.vector_sets import LIVE, DataSet, K, begun
from pergamum.domain.vectors import Matrix
from pergamum.index import kernel_cache
from pergamum.index.base import Route, Strategy
from pergamum.index.hnsw.index import HnswIndex

WARM_UP = 300
"""Vectors of the index that is built before the clock runs: loads what a build uses."""

EFFORT, SECONDS = 80, 1.5
"""Of the searches."""

BUILDERS: dict[str, Callable[[Matrix, int], object]] = {"hnsw": our_index, "ivf": our_partitions}

Order = tuple[str, Any]


@dataclass
class TwoCores:
    """Rates of every repeat: builds a second, queries a second."""

    one_thread: list[float] = field(default_factory=list)
    two_threads: list[float] = field(default_factory=list)
    two_processes: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """Two threads of two processes, repeat by repeat."""
        return [one / two for one, two in zip(self.two_threads, self.two_processes, strict=True)]


class Worker:
    """A process that builds or searches when told to."""

    def __init__(self, folder: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=serve, args=(folder, other), daemon=True)
        self._process.start()

    def send(self, order: Order) -> None:
        self._pipe.send(order)

    def answer(self) -> float:
        return float(self._pipe.recv())

    def stop(self) -> None:
        self._pipe.send(("stop", None))
        self._process.join()


@contextmanager
def workers(data: DataSet, index: HnswIndex, count: int) -> Iterator[list[Worker]]:
    """Workers that have everything loaded."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        np.save(folder / "vectors.npy", data.vectors)
        np.save(folder / "queries.npy", data.queries)
        index.save(folder)
        made = [Worker(folder) for _ in range(count)]
        for worker in made:
            stack.callback(worker.stop)
            worker.answer()
        yield made


def together(team: Sequence[Worker], order: Order) -> list[float]:
    """Have all of the team do the same at the same time; return their answers."""
    for worker in team:
        worker.send(order)
    return [worker.answer() for worker in team]


def builds(team: Sequence[Worker], repeats: int, kind: str = "hnsw") -> TwoCores:
    """Indexes built a second: one with two threads against two at once with a thread each."""
    rates = TwoCores()
    for _ in range(repeats):
        rates.two_threads.append(1.0 / together(team[:1], ("build", (kind, 2)))[0])
        rates.two_processes.append(sum(1.0 / seconds for seconds in together(team[:2], ("build", (kind, 1)))))
    return rates


def searches(team: Sequence[Worker], repeats: int, effort: int, seconds: float) -> TwoCores:
    """Queries answered a second, one at a time: by one thread, by two, by one thread in each of two processes."""
    rates = TwoCores()
    for _ in range(repeats):
        rates.one_thread += together(team[:1], ("search", (1, effort, seconds)))
        rates.two_threads += together(team[:1], ("search", (2, effort, seconds)))
        rates.two_processes.append(sum(together(team[:2], ("search", (1, effort, seconds)))))
    return rates


def serve(folder: Path, pipe: Connection) -> None:
    """The life of a worker."""
    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    queries = np.load(folder / "queries.npy")
    kernel_cache.prepare()
    for kind in BUILDERS:
        build(np.array(vectors[:WARM_UP]), kind, 1)
    index = HnswIndex.load(folder)
    np.asarray(vectors).sum()  # brings the pages in
    pipe.send(0.0)
    while True:
        what, how = pipe.recv()
        if what == "stop":
            return
        pipe.send(build(vectors, *how) if what == "build" else search(index, vectors, queries, *how))


def build(vectors: Matrix, kind: str, threads: int) -> float:
    """Return the seconds a build takes."""
    start = time.perf_counter()
    BUILDERS[kind](vectors, threads)
    return time.perf_counter() - start


def search(index: HnswIndex, vectors: Matrix, queries: Matrix, threads: int, effort: int, seconds: float) -> float:
    """Return the queries a second that the threads answer together."""
    end = time.perf_counter() + seconds
    counts = [0] * threads

    def ask(own: int) -> None:
        route, asked = Route(Strategy.GRAPH, effort), [query[None] for query in queries]
        number = own * len(asked) // threads
        while time.perf_counter() < end:
            index.search(asked[number % len(asked)], K, vectors, LIVE, route)
            number += 1
            counts[own] += 1

    team = [threading.Thread(target=ask, args=(own,)) for own in range(threads)]
    for thread in team:
        thread.start()
    for thread in team:
        thread.join()
    return sum(counts) / seconds


def rows(data: DataSet, repeats: int) -> Iterator[list[str]]:
    """Yield what is compared, the rates of either way, and how they compare."""
    with workers(data, our_index(data.vectors, 2, data.metric), 2) as team:
        for kind in BUILDERS:
            yield row(f"{data.name}: builds of {kind} a minute", builds(team, repeats, kind), 60.0)
        yield row(f"{data.name}: queries a second", searches(team, repeats, EFFORT, SECONDS), 1.0)


def row(what: str, rates: TwoCores, unit: float) -> list[str]:
    both = ([unit * rate for rate in way] for way in (rates.two_threads, rates.two_processes))
    return [what, *(spread(way, 1) for way in both), spread(rates.ratios, 2)]


def main() -> None:
    """Measure and print."""
    repeats, data_sets = begun(__doc__)
    found = [each for data in data_sets for each in rows(data, repeats)]
    print(table(["what", "two threads", "two processes", "threads of processes"], found))


if __name__ == "__main__":
    main()

"""Indexes that take part: ours, and the graphs of hnswlib, faiss and usearch, of 16 links a layer and 200 candidates.

Ours are as they come: 16 links and 120 candidates; `candidates.py` has other numbers.

`newest_peers.py` has those that came after them.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import faiss
import hnswlib
import numpy as np
import numpy.typing as npt
from usearch.index import Index as UsearchIndex

from benchmarks.vector_sets import LIVE, DataSet, K, pinned, widened
from pergamum.domain.vectors import Matrix, Metric
from pergamum.index.base import Job, Route, Strategy
from pergamum.index.brute_force.index import BruteForceIndex
from pergamum.index.hnsw.index import HnswIndex
from pergamum.index.hnsw.params import HnswParams
from pergamum.index.ivf.index import IvfIndex
from pergamum.index.ivf.params import IvfParams

LINKS, CANDIDATES = 16, 200
OURS, HNSWLIB = "pergamum", "hnswlib"
OUR_IVF, OUR_SCAN = "pergamum ivf", "pergamum exact scan"

EFFORTS = (10, 16, 24, 36, 54, 66, 80, 100, 120, 150, 180, 220, 270, 330, 400, 500, 600, 750, 900, 1350)
"""Sizes of a graph's pool."""
PARTITIONS = (1, 2, 3, 4, 6, 9, 13, 20, 30, 45, 70, 100, 150, 220, 320, 450)
"""Numbers of partitions looked into."""
APART = "its arrays; float32 apart, on disk"
SAVED = "saved file, float32 within"

FaissIndex: TypeAlias = Any
Search = Callable[[Matrix], npt.NDArray[Any]]


@dataclass(frozen=True)
class Contestant:
    """An index that is built, over the vectors of `data`.

    `aimed(effort)` returns a function from one query, (1, d) or where `flat` (d,), to its K neighbours, integers of any
    kind. Efforts of a contestant are used one after the other: some keep them in the index. `setting` tells contestants
    of one name apart; `counted` says what `size`, in bytes, is the size of.
    """

    name: str
    data: DataSet
    aimed: Callable[[int], Search]
    seconds: tuple[float, ...]
    threads: int
    size: int
    width: int = 0
    flat: bool = False
    efforts: tuple[int, ...] = EFFORTS
    setting: str = ""
    counted: str = SAVED

    @property
    def label(self) -> str:
        """Name and setting."""
        return f"{self.name}, {self.setting}" if self.setting else self.name

    def queries(self, count: int | None = None) -> list[Matrix]:
        """Return the first queries, with zeros behind where the index has more dimensions."""
        one_by_one = self.data.one_by_one(count)
        if self.flat:
            return [query[0] for query in one_by_one]
        return [widened(query, self.width) for query in one_by_one] if self.width else one_by_one


@dataclass(frozen=True)
class Clocked:
    """What was made and how long it took, by the wall's clock."""

    made: Any
    seconds: float


def clocked(make: Callable[[], object], threads: int) -> Clocked:
    """Make something, on one core where it takes one thread."""
    place: AbstractContextManager[None] = pinned() if threads == 1 else nullcontext()
    with place:
        start = time.perf_counter()
        made = make()
        return Clocked(made, time.perf_counter() - start)


GRAPH = HnswParams()


def our_index(vectors: Matrix, threads: int, metric: Metric = Metric.COSINE, params: HnswParams = GRAPH) -> HnswIndex:
    return HnswIndex.build(vectors, metric, LIVE, params, Job(threads, lambda _: None))


def ours(data: DataSet, index: HnswIndex, seconds: tuple[float, ...], threads: int = 1, name: str = OURS) -> Contestant:
    def aimed(effort: int) -> Search:
        route = Route(Strategy.GRAPH, effort)
        return lambda query: index.search(query, K, data.vectors, LIVE, route).slots

    return Contestant(name, data, aimed, seconds, threads, index.memory_bytes, counted=APART)


def our_partitions(vectors: Matrix, threads: int, metric: Metric = Metric.COSINE) -> IvfIndex:
    return IvfIndex.build(vectors, metric, LIVE, IvfParams(), Job(threads, lambda _: None))


def of_our_ivf(data: DataSet, threads: int) -> Contestant:
    """Beside partitions a library keeps 8-bit codes for exact scans: not counted, they are of no use here."""
    built = clocked(lambda: our_partitions(data.vectors, threads, data.metric), threads)
    index: IvfIndex = built.made

    def aimed(effort: int) -> Search:
        route = Route(Strategy.PARTITIONS, effort)
        return lambda query: index.search(query, K, data.vectors, LIVE, route).slots

    size = index.memory_bytes
    return Contestant(OUR_IVF, data, aimed, (built.seconds,), threads, size, efforts=PARTITIONS, counted=APART)


def of_our_scan(data: DataSet) -> Contestant:
    """Exact: there is no effort to choose."""
    empty = BruteForceIndex.empty(data.vectors.shape[1], data.metric)
    built = clocked(lambda: empty.extended(data.vectors), 1)
    index: BruteForceIndex = built.made

    def aimed(_: int) -> Search:
        return lambda query: index.search(query, K, data.vectors, LIVE).slots

    size = index.memory_bytes
    return Contestant(OUR_SCAN, data, aimed, (built.seconds,), 1, size, efforts=(0,), counted=APART)


def of_hnswlib(data: DataSet, threads: int = 1) -> Contestant:
    count, dimension = data.vectors.shape

    def make() -> object:
        index = hnswlib.Index("cosine" if data.metric is Metric.COSINE else "l2", dimension)
        index.init_index(count, M=LINKS, ef_construction=CANDIDATES)
        index.add_items(data.vectors, num_threads=threads)
        return index

    built = clocked(make, threads)

    def aimed(effort: int) -> Search:
        built.made.set_ef(effort)
        return lambda query: built.made.knn_query(query, K, 1)[0]

    return Contestant(HNSWLIB, data, aimed, (built.seconds,), threads, saved_size(built.made))


def saved_size(index: hnswlib.Index) -> int:
    """Return the size of the index as a file: hnswlib tells nothing else of its memory."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        index.save_index(str(path))
        return path.stat().st_size


def of_faiss(data: DataSet, threads: int) -> Contestant:
    """Full float32 vectors, l2, which between vectors of unit length is the same order as cosine.

    In faiss, too, the lowest layer holds twice the links it is given.
    """
    graph = faiss.IndexHNSWFlat(data.vectors.shape[1], LINKS)
    seconds = filled(graph, graph, data.vectors, threads)
    return Contestant("faiss HNSW", data, faiss_aimed(graph, graph), (seconds,), threads, faiss_size(graph))


def of_faiss_codes(data: DataSet, threads: int) -> Contestant:
    """8-bit codes in the graph; twice as many as wanted are compared again by their float32 vectors, as ours are.

    Its fast code wants dimensions in multiples of 16, without which it is several times slower: zeros fill up the rest.
    """
    width = -(-data.vectors.shape[1] // 16) * 16
    graph = faiss.index_factory(width, f"HNSW{LINKS}_SQ8")
    whole = faiss.IndexRefineFlat(graph)
    whole.k_factor = 2
    seconds = filled(whole, graph, widened(data.vectors, width), threads)
    name, aimed = "faiss HNSW SQ8 refined", faiss_aimed(whole, graph)
    return Contestant(name, data, aimed, (seconds,), threads, faiss_size(whole), width)


def filled(index: FaissIndex, graph: FaissIndex, vectors: Matrix, threads: int) -> float:
    """Put the vectors in; return the seconds it takes."""

    def make() -> None:
        index.train(vectors)
        index.add(vectors)

    graph.hnsw.efConstruction = CANDIDATES
    faiss.omp_set_num_threads(threads)
    seconds = clocked(make, threads).seconds
    faiss.omp_set_num_threads(1)
    return seconds


def faiss_aimed(index: FaissIndex, graph: FaissIndex) -> Callable[[int], Search]:
    def aimed(effort: int) -> Search:
        graph.hnsw.efSearch = effort
        return lambda query: index.search(query, K)[1]

    return aimed


def faiss_size(index: FaissIndex) -> int:
    return int(faiss.serialize_index(index).nbytes)


def of_usearch(data: DataSet, threads: int, dtype: str) -> Contestant:
    """`bf16` is what usearch itself chooses on this kind of processor."""
    metric = "cos" if data.metric is Metric.COSINE else "l2sq"
    index = UsearchIndex(
        ndim=data.vectors.shape[1], metric=metric, dtype=dtype, connectivity=LINKS, expansion_add=CANDIDATES
    )
    keys = np.arange(len(data.vectors), dtype=np.uint64)
    built = clocked(lambda: index.add(keys, data.vectors, threads=threads), threads)

    def aimed(effort: int) -> Search:
        index.expansion_search = effort
        return lambda query: index.search(query[0], K, threads=1).keys

    size, counted = int(index.serialized_length), f"saved file, {dtype} within"
    return Contestant(f"usearch {dtype}", data, aimed, (built.seconds,), threads, size, counted=counted)

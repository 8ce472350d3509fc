"""Peers with compact codes: glass, SymphonyQG (rabitqlib), ScaNN, and partitions of faiss. All take one thread.

Settings are those their authors recommend; where these leave a range there is a contestant for each, told apart by
`setting`. `fastest.py` takes the best of them at each recall.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import faiss
import glass
import rabitqlib
from scann.scann_ops.py import scann_ops_pybind

from benchmarks.peers import PARTITIONS, SAVED, Clocked, Contestant, FaissIndex, Search, clocked, faiss_size
from benchmarks.vector_sets import DataSet, K
from pergamum.domain.vectors import Metric

SYMPHONY, SCANN, GLASS, FAISS_IVF = "SymphonyQG", "ScaNN", "glass", "faiss IVF PQ fast scan refined"
GLASS_DEGREE, GLASS_CANDIDATES = 32, 200
SYMPHONY_CANDIDATES = 400
REORDERED: Final = (30, 60, 120, 250)
"""How many of ScaNN's best estimates are compared by float32."""
REFINED: Final = (3, 6, 12, 25)
"""The same for faiss, in multiples of K."""
ANISOTROPIC, SOAR_LAMBDA = 0.2, 1.5


def of_glass(data: DataSet) -> Contestant:
    """Its tuning of prefetches counts as part of the build. Its codes are 8 bits a dimension, never compared again."""
    metric = "IP" if data.metric is Metric.COSINE else "L2"

    def linked() -> object:
        glass.set_num_threads(1)
        return glass.Index("HNSW", metric, "SQ8U", GLASS_DEGREE, GLASS_CANDIDATES).build(data.vectors)

    def tuned() -> object:
        made = glass.Searcher(graph.made, data.vectors, metric, "SQ8U")
        made.optimize(1)
        return made

    with quiet():
        graph = clocked(linked, 1)
        size = saved(graph.made.save) + data.vectors.size  # a searcher takes the links away from the graph
        built = clocked(tuned, 1)
    searcher, seconds = built.made, graph.seconds + built.seconds

    def aimed(effort: int) -> Search:
        searcher.set_ef(effort)
        return lambda query: searcher.search(query, K)[0]

    counted = "saved graph, and a byte a dimension"
    return Contestant(GLASS, data, aimed, (seconds,), 1, size, flat=True, counted=counted)


def of_symphony(data: DataSet, degree: int = 32) -> Contestant:
    metric = "ip" if data.metric is Metric.COSINE else "l2"

    def make() -> object:
        index = rabitqlib.SymqgIndex(data.vectors.shape[1], degree, metric)
        index.build(data.vectors, SYMPHONY_CANDIDATES, 1, "pipnn")
        return index

    built = clocked(make, 1)
    index, size = built.made, saved(built.made.save)

    def aimed(effort: int) -> Search:
        return lambda query: index.search(query, K, effort)[0]

    return Contestant(SYMPHONY, data, aimed, (built.seconds,), 1, size, setting=f"degree {degree}")


def of_scann(data: DataSet, share: int, spilled: bool = False) -> Iterator[Contestant]:
    """Yield a contestant for each number of vectors compared again, over `share` * sqrt(n) partitions."""
    leaves = int(share * len(data.vectors) ** 0.5)
    built = clocked(lambda: scann_index(data, leaves, spilled), 1)
    with TemporaryDirectory() as folder:
        built.made.serialize(folder)
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
    for reordered in REORDERED:
        setting = f"{leaves} partitions{', SOAR' if spilled else ''}, {reordered} compared again"
        yield Contestant(
            SCANN, data, scann_aimed(built, reordered), (built.seconds,), 1, size, 0, True, PARTITIONS, setting, SAVED
        )


def scann_index(data: DataSet, leaves: int, spilled: bool) -> object:
    """Return partitions with 4-bit codes of two dimensions each; the loss is anisotropic where products count.

    Centroids in 8 bits were up to 8% faster on both sets of cosine. `spilled` files each vector in a second partition
    (SOAR), which takes products.
    """
    cosine = data.metric is Metric.COSINE
    soar = {"soar_lambda": SOAR_LAMBDA, "overretrieve_factor": 2.0} if spilled else {}
    made = scann_ops_pybind.builder(data.vectors, K, "dot_product" if cosine else "squared_l2")
    made = made.tree(leaves, 10, training_sample_size=len(data.vectors), quantize_centroids=True, **soar)
    made = made.score_ah(2, anisotropic_quantization_threshold=ANISOTROPIC if cosine else float("nan"))
    return made.reorder(max(REORDERED)).set_n_training_threads(1).build()


def scann_aimed(built: Clocked, reordered: int) -> Callable[[int], Search]:
    def aimed(effort: int) -> Search:
        search = built.made.search
        return lambda query: search(query, K, reordered, effort)[0]

    return aimed


def of_faiss_partitions(data: DataSet) -> Iterator[Contestant]:
    """Yield a contestant for each number of vectors compared again, over sqrt(n) partitions of 4-bit codes.

    By l2, for cosine too: it was faster than by products, and twice or four times the partitions were slower.
    """
    dimension = data.vectors.shape[1]
    leaves = int(len(data.vectors) ** 0.5)
    index = faiss.index_factory(dimension, f"IVF{leaves},PQ{dimension // 2}x4fs,RFlat")

    def make() -> None:
        faiss.omp_set_num_threads(1)
        index.train(data.vectors)
        index.add(data.vectors)

    seconds, size = clocked(make, 1).seconds, faiss_size(index)
    partitions = faiss.extract_index_ivf(index)
    for factor in REFINED:
        setting = f"{leaves} partitions, {factor * K} compared again"
        aimed = faiss_partitions_aimed(index, partitions, factor)
        yield Contestant(FAISS_IVF, data, aimed, (seconds,), 1, size, efforts=PARTITIONS, setting=setting)


def faiss_partitions_aimed(index: FaissIndex, partitions: FaissIndex, factor: int) -> Callable[[int], Search]:
    def aimed(effort: int) -> Search:
        index.k_factor, partitions.nprobe = factor, effort
        return lambda query: index.search(query, K)[1]

    return aimed


def saved(save: Callable[[str], object]) -> int:
    """Return the size of the file that `save` writes, for want of another measure of memory."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        save(str(path))
        return path.stat().st_size


@contextmanager
def quiet() -> Iterator[None]:
    """Send what compiled code prints to the standard error, so that the tables stand alone."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)

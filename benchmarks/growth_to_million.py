"""How the time of a query grows from ten thousand to a million vectors, at recall@10 0.95: our graph and partitions.

    python -m benchmarks.growth_to_million              half an hour on two idle cores, 15 GiB
    python -m benchmarks.growth_to_million --report     writes docs/benchmarks/growth.md and its plot, too
    python -m benchmarks.growth_to_million --quick      up to 30,000 vectors

The million: passages of two definitions of WordNet each, embedded by the local model (256 numbers, cosine). There are
two sets of them. The first definition is drawn from all 117,659. In the set "related" the second is one of the 24
nearest to it by the same model, so that a passage has one topic, as passages do. In the set "category" it is any of the
same category: such points lie apart from each other, which makes searching hard. A passage is "title: text" of the two,
one a line. No two definitions make two passages, and no text occurs twice. 1,000 more passages made in the same way are
the queries. Smaller sets are samples of it. True neighbours come from our exact scan.

Indexes are built by two threads; searches are one at a time by one thread on one core, all sizes and kinds in turns.
The exponent is the b of time = a * n ** b that fits best, for each repeat.
"""

import argparse
import gzip
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
import numpy.typing as npt

from benchmarks import index_report, peers, plots
from benchmarks.curves import measured
from benchmarks.fastest import FOLDER, of_our_graph, warm_up
from benchmarks.growth import RECALL, Growth
from benchmarks.harness import said, spread, table
from benchmarks.peers import Contestant
from benchmarks.vector_sets import LIVE, DataSet
from pergamum.domain.vectors import Matrix, Metric
from pergamum.embedding.local import DIMENSION, LocalEmbedder
from pergamum.index import kernel_cache
from pergamum.index.brute_force.index import BruteForceIndex

COUNTS = (10_000, 30_000, 100_000, 300_000, 1_000_000)
QUICK = (3_000, 10_000, 30_000)
QUERIES, ASKED, THREADS = 1_000, 300, 2
AIM = 0.35
AT_ONCE = 20_000
TITLES = {"related": "Passages of related definitions", "category": "Passages of definitions of one category"}
RELATED = 24

Longs = npt.NDArray[np.int64]
Chooser = Callable[[Longs, np.random.Generator], Longs]


@dataclass(frozen=True)
class Definitions:
    """Texts, and the number of the category of each."""

    texts: list[str]
    categories: Longs

    @classmethod
    def read(cls, path: Path) -> "Definitions":
        with gzip.open(path, "rt", encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        _, numbers = np.unique([row["category"] for row in rows], return_inverse=True)
        return cls([f"{row['title']}: {row['text']}" for row in rows], numbers.astype(np.int64))

    def same_category(self) -> Chooser:
        """Return what draws a definition of the same category for each of some."""
        order, sizes = np.argsort(self.categories, kind="stable"), np.bincount(self.categories)
        starts = np.cumsum(sizes) - sizes

        def choose(ones: Longs, random: np.random.Generator) -> Longs:
            own = self.categories[ones]
            return np.asarray(order[starts[own] + random.integers(0, sizes[own])])

        return choose

    def related(self) -> Chooser:
        """Return what draws one of the nearest definitions for each of some."""
        vectors = LocalEmbedder().embed_documents(self.texts)
        index = BruteForceIndex.empty(DIMENSION, Metric.COSINE).extended(vectors)
        near = index.search(vectors, RELATED + 1, vectors, LIVE).slots[:, 1:]
        return lambda ones, random: near[ones, random.integers(0, RELATED, len(ones))]

    def pairs(self, choose: Chooser, random: np.random.Generator) -> Iterator[tuple[int, int]]:
        """Yield pairs of definitions, smaller number first, each pair once, without end."""
        seen = set[tuple[int, int]]()
        while True:
            ones = random.integers(0, len(self.texts), AT_ONCE)
            others = choose(ones, random)
            for pair in zip(np.minimum(ones, others).tolist(), np.maximum(ones, others).tolist(), strict=True):
                if pair[0] != pair[1] and pair not in seen:
                    seen.add(pair)
                    yield pair

    def passages(self, choose: Chooser, seed: int = 0) -> Iterator[str]:
        """Yield passages of two definitions each, no text twice, without end."""
        seen = set[int]()
        for one, other in self.pairs(choose, np.random.default_rng(seed)):
            text = f"{self.texts[one]}\n{self.texts[other]}"
            if hash(text) not in seen:
                seen.add(hash(text))
                yield text


def embedded(passages: Iterator[str], count: int) -> Matrix:
    """Return the vectors of `count` passages, float32 (count, 256)."""
    embedder = LocalEmbedder()
    vectors = np.empty((count, DIMENSION), np.float32)
    for first in range(0, count, AT_ONCE):
        part = vectors[first : first + AT_ONCE]
        part[:] = embedder.embed_documents(list(islice(passages, len(part))))
        if first % (10 * AT_ONCE) == 0:
            said(f"embedded {first + len(part):,} of {count:,}")
    return vectors


def million(path: Path, second: str, count: int) -> DataSet:
    definitions = Definitions.read(path)
    choose = definitions.related() if second == "related" else definitions.same_category()
    vectors = embedded(definitions.passages(choose), count + QUERIES)
    return DataSet(TITLES[second], vectors[:count], vectors[count:], np.empty(0))


def graph(data: DataSet, name: str) -> Contestant:
    return of_our_graph(data, name, peers.GRAPH, THREADS)[0]


KINDS: dict[str, Callable[[DataSet], Contestant]] = {
    "pergamum hnsw": partial(graph, name="pergamum hnsw"),
    "pergamum ivf": partial(peers.of_our_ivf, threads=THREADS),
}


def growths(data: DataSet, counts: Sequence[int], kinds: Sequence[str], repeats: int) -> dict[str, Growth]:
    """Build everything, then measure everything in turns."""
    made = dict[str, list[Contestant]]()
    for count in counts:
        sample = data.sample(count, QUERIES)
        for kind in kinds:
            made.setdefault(kind, []).append(KINDS[kind](sample))
            said(f"{kind}: built {count:,} in {made[kind][-1].seconds[0]:.1f} s")
    curves = measured([one for group in made.values() for one in group], repeats, ASKED)
    found = iter(curves)
    return {kind: Growth([next(found) for _ in group]) for kind, group in made.items()}


def section(second: str, found: dict[str, Growth]) -> str:
    """Return what was found on one of the two sets."""
    head = ["", "exponent", "aimed at"]
    rows = [[kind, spread(growth.exponents(), 3), f"at most {AIM}"] for kind, growth in found.items()]
    parts = [f"## {TITLES[second]}", table(head, rows), f"![time of a query by vectors](growth-{second}.png)"]
    return "\n\n".join([*parts, *(f"### {kind}\n\n{size_table(growth)}" for kind, growth in found.items())])


def page(sections: Sequence[str], environment: str, seconds: float) -> str:
    return "\n\n".join([HEADING, index_report.about(environment, seconds), *sections]) + "\n"


HEADING = f"""# Growth to a million

Written by `python -m benchmarks.growth_to_million --report`; its docstring says how the vectors are made and how it is
measured. Time of a query at recall {RECALL}."""


def size_table(growth: Growth) -> str:
    head = ["vectors", f"effort that reaches {RECALL}", "us a query", "fitted", "built in, two threads", "memory MB"]
    rows = [
        [
            f"{count:,}",
            str(curve.reaching(RECALL).effort),
            spread([1e6 / rate for rate in curve.rates_at(RECALL)], 1),
            f"{1e6 / fitted:.1f}",
            f"{curve.contestant.seconds[0]:.1f} s",
            f"{curve.contestant.size / 1e6:,.1f}",
        ]
        for count, curve, fitted in zip(growth.counts, growth.curves, growth.fitted(), strict=True)
    ]
    return table(head, rows)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    data = Path(os.environ.get("PERGAMUM_TEST_DATA") or "../shared/data")
    parser.add_argument("--wordnet", type=Path, default=data / "wordnet" / "documents.jsonl.gz")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--second", nargs="+", choices=TITLES, default=list(TITLES))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help=f"up to {QUICK[-1]:,} vectors")
    parser.add_argument("--report", action="store_true", help="write docs/benchmarks/, or what --out says")
    parser.add_argument("--out", type=Path, default=FOLDER)
    return parser.parse_args()


def main() -> int:
    arguments = options()
    counts, before = QUICK if arguments.quick else COUNTS, index_report.environment()
    if not kernel_cache.prepare():
        print("the kernels could not be compiled")
        return 1
    warm_up()
    start = time.perf_counter()
    sections = list[str]()
    for second in arguments.second:  # one set after the other: each takes a dozen GiB
        data = million(arguments.wordnet, second, counts[-1])
        found = growths(data, counts, arguments.kinds, arguments.repeats)
        sections.append(section(second, found))
        if arguments.report:
            arguments.out.mkdir(parents=True, exist_ok=True)
            plots.growth_of_each(arguments.out / f"growth-{second}.png", TITLES[second], found)
        del data, found
    text = page(sections, before, time.perf_counter() - start)
    print(text)
    if arguments.report:
        (arguments.out / "growth.md").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

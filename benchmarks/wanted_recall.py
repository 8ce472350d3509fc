"""The recall that is asked for beside the recall there is, on whole data sets, and what the plan costs.

    python -m benchmarks.wanted_recall --data ../shared/data

An index is built and measures itself: it sees the library's vectors only. Then the given queries are asked, again after
30 % of the slots were deleted, after as many were inserted, and with filters; and queries of another distribution. The
truth is the exact scan of the same slots; for the whole set and the given queries it is compared with the given
distances. `again` counts queries that were answered anew because they looked foreign, `us` is the time of one query in
a batch, on one core.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.harness import environment, table
from pergamum.domain.vectors import Matrix, Metric
from pergamum.engine.view import View
from pergamum.index.mask import SlotMask
from tests.support.kernels import prepare_kernels
from tests.support.planned import (
    built_view,
    grown,
    load,
    masks_by_distance,
    random_directions,
    random_mask,
    recall_of,
    search,
    without,
)

SETS = ("words-100", "sentences-384")
WANTED = (0.9, 0.95, 0.99)
HEADER = ("queries", "k", "wanted", "recall", "expected", "plan", "effort", "again", "us")
TIE = 1e-5


@dataclass(frozen=True)
class Case:
    name: str
    view: View
    queries: Matrix
    k: int = 10
    allowed: SlotMask | None = None

    def row(self, wanted: float) -> list[str]:
        search(self.view, self.queries[:1], self.k, wanted, self.allowed)
        started = time.perf_counter()
        found = search(self.view, self.queries, self.k, wanted, self.allowed)
        seconds = (time.perf_counter() - started) / len(self.queries)
        recall = recall_of(self.view, self.queries, found, self.allowed)
        route, again = found.plan.route, found.neighbours.rescanned
        fell = "" if recall >= wanted - 0.01 else " !"
        return [
            self.name,
            str(self.k),
            str(wanted),
            f"{recall:.4f}{fell}",
            f"{found.plan.expected_recall:.4f}",
            route.strategy.value,
            str(route.effort),
            f"{again / len(self.queries):.1%}",
            f"{seconds * 1e6:.0f}",
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--kind", default="hnsw", help="kind of index")
    parser.add_argument("--set", dest="sets", action="append", choices=SETS, help="only this data set")
    parser.add_argument("--count", type=int, help="only so many vectors")
    arguments = parser.parse_args()
    prepare_kernels()
    print(environment())
    for name in arguments.sets or SETS:
        report(arguments.data, name, arguments.kind, arguments.count)


def report(folder: Path, name: str, kind: str, count: int | None) -> None:
    vectors = load(folder, name, count)
    started = time.perf_counter()
    view = built_view(kind, vectors.base)
    print(
        f"\n{name}: {len(vectors.base):,} vectors, {kind} built and measured in {time.perf_counter() - started:.0f} s"
    )
    if count is None:
        check_truth(view, vectors.queries, vectors.distances[:, :10].astype(np.float64))
    print(table(HEADER, [case.row(wanted) for case in cases(view, vectors.queries) for wanted in WANTED]))
    print("\nfilters that go by distance from the query, 100 queries:")
    print(table(HEADER[:4], [distance_row(view, vectors.queries[:100], *how) for how in distance_filters()]))


def cases(view: View, queries: Matrix) -> Iterator[Case]:
    assert view.vectors is not None
    slots, some = view.state.next_slot, queries[:400]
    before = len(view.vectors) * 10 // 13
    yield Case("given", view, queries)
    yield Case("given", view, some, k=100)
    yield Case("given, 30% deleted", without(view, 0.3), queries)
    part = built_view(view.index.kind if view.index else "hnsw", np.ascontiguousarray(view.vectors[:before]))
    yield Case("given, 30% inserted", grown(part, view.vectors[before:]), queries)
    yield Case("random directions", view, random_directions(400, queries.shape[1]))
    yield Case("mixtures of two members", view, mixtures(view.vectors))
    for share in (0.5, 0.1, 0.01, 0.001):
        yield Case(f"random filter {share:.1%}", view, some, allowed=random_mask(slots, share))


def mixtures(vectors: Matrix) -> Matrix:
    """Return queries halfway between two members: near enough to the data not to look foreign."""
    chosen = vectors[np.random.default_rng(0).integers(0, len(vectors), (2, 400))]
    units = chosen / np.linalg.norm(chosen, axis=2, keepdims=True)
    return np.ascontiguousarray(units.sum(axis=0), np.float32)


def distance_filters() -> Iterator[tuple[float, bool, float]]:
    for share in (0.5, 0.1, 0.01):
        for near in (True, False):
            for wanted in WANTED:
                yield share, near, wanted


def distance_row(view: View, queries: Matrix, share: float, near: bool, wanted: float) -> list[str]:
    recalls = []
    for number in range(len(queries)):
        query = queries[number : number + 1]
        allowed = masks_by_distance(view, query, share)[0 if near else 1]
        recalls.append(recall_of(view, query, search(view, query, 10, wanted, allowed), allowed))
    what = f"{'nearest' if near else 'farthest'} {share:.0%} allowed"
    return [what, "10", str(wanted), f"{np.mean(recalls):.4f}"]


def check_truth(view: View, queries: Matrix, given: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    """Compare the exact scan with the given distances."""
    assert view.index is not None
    assert view.vectors is not None
    assert view.state.library.metric is Metric.COSINE
    own = view.index.search(queries, given.shape[1], view.vectors, view.live).distances
    print(f"exact scan against the given distances: largest difference {np.abs(own - given).max():.1e}")
    assert np.abs(own - given).max() < TIE


if __name__ == "__main__":
    main()

"""What vector_indexes.py found, as text: aims first, then tables."""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from statistics import median

import numpy as np
import numpy.typing as npt

from benchmarks import harness
from benchmarks.curves import Curve, Point, ratios
from benchmarks.filtered import Case, Tried
from benchmarks.growth import RECALL, Growth
from benchmarks.harness import spread, table
from benchmarks.peers import CANDIDATES, GRAPH, HNSWLIB, LINKS
from benchmarks.two_cores import TwoCores
from benchmarks.vector_sets import DataSet, K

RECALLS = (0.95, 0.99)
SPEED_AIMS = {"words-100": (1.5, 1.2), "sentences-384": (1.7, 1.0)}
BUILD_AIMS = {"words-100": 0.5, "sentences-384": 1.0}
SCALING_AIM, MEMORY_AIM, WORK_AIM, GROWTH_AIM = 0.9, 0.6, 3.0, 0.35
PEERS = ("hnswlib", "faiss-cpu", "usearch", "scipy", "matplotlib")
COMPARED_EFFORT = 80

Percentiles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Work:
    """What our index did for one query at one effort: medians and 99th percentiles."""

    effort: int
    scored: Percentiles
    verified: Percentiles
    seconds: Percentiles


@dataclass(frozen=True)
class SetResults:
    """All about one set; `curves` has ours first, then hnswlib's. `compact`: bytes of our graph in that layout."""

    data: DataSet
    curves: list[Curve]
    work: Work
    searches: TwoCores
    builds: TwoCores
    partitions: TwoCores
    compact: int

    @property
    def memory(self) -> float:
        """Memory of our graph in the compact layout, of that of the float32 vectors."""
        return self.compact / self.data.vectors.nbytes

    @property
    def build_ratios(self) -> list[float]:
        """Time of our builds, of hnswlib's."""
        return [seconds / self.curves[1].contestant.seconds[0] for seconds in self.curves[0].contestant.seconds]


@dataclass(frozen=True)
class Results:
    sets: list[SetResults]
    growth: Growth
    filters: list[tuple[Case, list[Tried]]]


@dataclass(frozen=True)
class Aim:
    """Something aimed at, at least or at most, and what was reached in the repeats."""

    what: str
    wanted: float
    reached: Sequence[float]
    at_least: bool = True

    def row(self) -> list[str]:
        middle = median(self.reached)
        met = middle >= self.wanted if self.at_least else middle <= self.wanted
        sign = "at least" if self.at_least else "at most"
        return [self.what, f"{sign} {self.wanted:g}", spread(self.reached, 2), "met" if met else "**missed**"]


def environment(peers: Sequence[str] = PEERS) -> str:
    """Return machine, versions and load, as they are before the run."""
    versions = ", ".join(f"{name} {version(name)}" for name in peers)
    return f"{time.strftime('%Y-%m-%d')}. {harness.environment().strip()}\n{versions}"


def about(environment: str, seconds: float) -> str:
    """Return, as a block of a page, what the figures depend on, the load after the run and how long it took."""
    load = ", ".join(f"{number:.1f}" for number in os.getloadavg())
    lines = f"{environment}\nload after the run: {load}; the run took {seconds / 60:.0f} minutes".splitlines()
    return "\n".join(f"    {line}" for line in lines)


def text(results: Results, environment: str, seconds: float) -> str:
    """Return the page."""
    parts = [
        "# Vector indexes\n\nWritten by `python -m benchmarks.vector_indexes`; its docstring says how it is measured.",
        about(environment, seconds),
        GRAPHS.strip(),
        "## Aims\n\n" + table(["what", "aimed at", "reached (range)", ""], [aim.row() for aim in aims(results)]),
        *(part for one in results.sets for part in of_set(one)),
        "## Building\n\n![seconds to build](build.png)",
        *(f"### {one.data.name}\n\n{build_table(one)}" for one in results.sets),
        "## Two cores\n\n" + two_cores_table(results.sets),
        "## Work of a query\n\n" + work_table(results.sets),
        "## Growth\n\n![queries a second by number of vectors](growth.png)\n\n" + growth_table(results.growth),
        f"## Filters\n\n{FILTERS}\n\n" + filter_table(results.filters),
    ]
    return "\n\n".join(parts) + "\n"


GRAPHS = f"""Graphs of {LINKS} links a layer (twice as many on the lowest), of {CANDIDATES} candidates, ours of
{GRAPH.ef_construction}; vectors of unit length, cosine distance; recall@{K}: the share of the {K} answers as near as
the true {K}th neighbour.
"""
FILTERS = """sentences-384. Shown is the least effort that reaches recall 0.95, or the last one tried: none is tried
once one takes twice the time of the scan. *random*: any vector passes; *near*: the vectors that pass lie where the
queries come from (along the first principal direction); *far*: at the other end. *codes*: compared a query;
*rescanned*: share of queries answered by a scan after all."""


def aims(results: Results) -> Iterator[Aim]:
    for one in results.sets:
        name, ours, theirs = one.data.name, one.curves[0], one.curves[1]
        for recall, wanted in zip(RECALLS, SPEED_AIMS[name], strict=True):
            yield Aim(f"{name}: queries/s at recall {recall}, of hnswlib's", wanted, ratios(ours, theirs, recall))
    for one in results.sets:
        name = one.data.name
        yield Aim(f"{name}: time to build, one thread, of hnswlib's", BUILD_AIMS[name], one.build_ratios, False)
    for one in results.sets:
        name = one.data.name
        yield Aim(f"{name}: building by two threads, of two processes", SCALING_AIM, one.builds.ratios)
        yield Aim(f"{name}: building ivf by two threads, of two processes", SCALING_AIM, one.partitions.ratios)
        yield Aim(f"{name}: searching by two threads, of two processes", SCALING_AIM, one.searches.ratios)
    for one in results.sets:
        name, scored = one.data.name, one.work.scored
        yield Aim(f"{name}: distances a query, p99 of p50", WORK_AIM, [float(scored[1] / scored[0])], False)
    yield Aim(
        "sentences-384: memory of the compact layout, of the float32 vectors",
        MEMORY_AIM,
        [results.sets[-1].memory],
        False,
    )
    yield Aim("words-100: exponent of the time of a query by vectors", GROWTH_AIM, results.growth.exponents(), False)


def of_set(one: SetResults) -> Iterator[str]:
    count, dimension = one.data.vectors.shape
    yield f"## {one.data.name}\n\n{count:,} vectors of {dimension}, {len(one.data.queries):,} queries, one thread."
    yield f"![recall against queries a second](recall-{one.data.name}.png)"
    head = ["index", *(f"{word} at {recall}" for recall in RECALLS for word in ("queries/s", "of hnswlib's"))]
    yield table(head, [speed_row(curve, one.curves[1]) for curve in one.curves])
    yield "By effort: recall and queries a second.\n\n" + effort_table(one.curves)


def speed_row(curve: Curve, base: Curve) -> list[str]:
    row = [curve.contestant.name]
    for recall in RECALLS:
        reached = curve.rate_at(recall) > 0
        row.append(spread(curve.rates_at(recall)) if reached else "not reached")
        row.append(spread(ratios(curve, base, recall), 2) if reached and base.rate_at(recall) > 0 else "")
    return row


def effort_table(curves: Sequence[Curve]) -> str:
    efforts = sorted({point.effort for curve in curves for point in curve.points})
    known = [{point.effort: point for point in curve.points} for curve in curves]
    rows = [[str(effort), *(cell(points.get(effort)) for points in known)] for effort in efforts]
    return table(["effort", *(curve.contestant.name for curve in curves)], rows)


def cell(point: Point | None) -> str:
    return "" if point is None else f"{point.recall:.4f} {point.rate:,.0f}"


def build_table(one: SetResults) -> str:
    head = ["index", "threads", "seconds", "of hnswlib's", "of float32", f"recall at effort {COMPARED_EFFORT}"]
    return table(head, [build_row(curve, one) for curve in one.curves])


def build_row(curve: Curve, one: SetResults) -> list[str]:
    built, base = curve.contestant, one.curves[1].contestant
    same = f"{median(built.seconds) / base.seconds[0]:.2f}" if built.threads == base.threads else ""
    size = f"{built.size / one.data.vectors.nbytes:.2f}"
    recall = f"{recall_at(curve, COMPARED_EFFORT):.4f}"
    name = f"**{built.name}**" if built.name == HNSWLIB else built.name
    return [name, str(built.threads), spread(built.seconds, 1), same, size, recall]


def recall_at(curve: Curve, effort: int) -> float:
    """Return the recall of an effort, of the greatest one tried where that is less."""
    return next((point.recall for point in curve.points if point.effort >= effort), curve.points[-1].recall)


def two_cores_table(sets: Sequence[SetResults]) -> str:
    head = ["set", "what", "one thread", "two threads", "two processes", "two threads of two processes"]
    rows = [
        [
            one.data.name,
            what,
            *(spread(rates, digits) if rates else "" for rates in three(found)),
            spread(found.ratios, 2),
        ]
        for one in sets
        for what, found, digits in (
            ("builds/hour", per_hour(one.builds), 0),
            ("builds/hour of ivf", per_hour(one.partitions), 0),
            ("queries/s", one.searches, 0),
        )
    ]
    return table(head, rows)


def three(found: TwoCores) -> tuple[list[float], list[float], list[float]]:
    return found.one_thread, found.two_threads, found.two_processes


def per_hour(found: TwoCores) -> TwoCores:
    return TwoCores(*([3600 * rate for rate in rates] for rates in three(found)))


def work_table(sets: Sequence[SetResults]) -> str:
    """Efforts are those that reach RECALL."""
    head = ["set", "effort", "codes compared p50", "p99", "p99 / p50", "vectors read p50", "p99", "µs p50", "p99"]
    rows = [
        [
            one.data.name,
            str(one.work.effort),
            *(f"{number:,.0f}" for number in one.work.scored),
            f"{one.work.scored[1] / one.work.scored[0]:.2f}",
            *(f"{number:,.0f}" for number in one.work.verified),
            *(f"{number * 1e6:,.0f}" for number in one.work.seconds),
        ]
        for one in sets
    ]
    return f"At the effort that reaches recall {RECALL}.\n\n" + table(head, rows)


def growth_table(growth: Growth) -> str:
    rows = [
        [f"{count:,}", str(curve.reaching(RECALL).effort), spread(curve.rates_at(RECALL)), f"{fit:,.0f}"]
        for count, curve, fit in zip(growth.counts, growth.curves, growth.fitted(), strict=True)
    ]
    head = ["vectors", f"effort that reaches {RECALL}", "queries/s", "fitted"]
    return f"Samples of words-100. Exponent of the time of a query: {spread(growth.exponents(), 2)}.\n\n" + table(
        head, rows
    )


def filter_table(filters: Sequence[tuple[Case, list[Tried]]]) -> str:
    head = ["filter", "passing", "strategy", "effort", "recall", "queries/s", "of the scan's", "codes", "rescanned"]
    rows = [filter_row(case, one, all_tried[0]) for case, all_tried in filters for one in all_tried]
    return table(head, rows)


def filter_row(case: Case, one: Tried, scan: Tried) -> list[str]:
    faster = [base / own for base, own in zip(scan.seconds, one.seconds, strict=True)]
    figures = [f"{one.recall:.3f}", f"{one.rate:,.0f}", f"{median(faster):.2f}", f"{one.scored:,.0f}"]
    return [case.kind, f"{case.share:g}", one.strategy.value, str(one.effort), *figures, f"{one.rescanned:.2f}"]

"""What fastest.py found, as text: aims first, then a table for each set."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan
from statistics import median

from benchmarks.curves import Curve, ratios
from benchmarks.harness import spread, table
from benchmarks.index_report import Aim, about
from benchmarks.newest_peers import SCANN
from benchmarks.peers import HNSWLIB, OUR_IVF, OUR_SCAN, OURS
from benchmarks.vector_sets import DataSet

RECALLS = (0.90, 0.95, 0.99)
AIMED_AT = (0.95, 0.99)
OUR_GRAPH = f"{OURS} hnsw"
OF_HNSWLIB, OF_BEST_PEER, BUILD_OF_HNSWLIB, BUILD_OF_SCANN, IVF_MEMORY = 3.5, 1.0, 0.333, 1.0, 0.25
HEADING = """# Beside the fastest

Written by `python -m benchmarks.fastest --report`; its docstring says how it is measured."""
PEERS = ("hnswlib", "faiss-cpu", "usearch", "pyglass-portable", "rabitqlib", "scann-core", "matplotlib")


@dataclass(frozen=True)
class SetResults:
    """All about one set: ours first, then the peers, of some several settings."""

    data: DataSet
    curves: list[Curve]

    def best(self, recall: float, *names: str) -> Curve:
        """Return the fastest at `recall` of those of these names; where none reaches it, any of them."""
        group = [curve for curve in self.curves if curve.contestant.name in names]
        return max(group, key=lambda curve: rate_of(curve, recall))

    def best_peer(self, recall: float) -> Curve:
        """Return the fastest at `recall` that is not ours."""
        return self.best(recall, *(name for name in self.names() if not name.startswith(OURS)))

    def graphs(self) -> list[str]:
        """Return the names of our graphs."""
        return [name for name in self.names() if name.startswith(OUR_GRAPH)]

    def names(self) -> list[str]:
        """Return the names of contestants, each once, in the order of the curves."""
        return list(dict.fromkeys(curve.contestant.name for curve in self.curves))


def rate_of(curve: Curve, recall: float) -> float:
    """Return the rate at `recall`, 0 where it is not reached."""
    rate = curve.rate_at(recall)
    return 0.0 if isnan(rate) else rate


def text(results: Sequence[SetResults], environment: str, seconds: float) -> str:
    """Return the page."""
    aimed = [aim.row() for one in results for aim in aims(one)]
    parts = [
        HEADING,
        about(environment, seconds),
        "## Aims\n\n" + table(["what", "aimed at", "reached (range)", ""], aimed),
        *(of_set(one) for one in results),
    ]
    return "\n\n".join(parts) + "\n"


def aims(one: SetResults) -> Iterator[Aim]:
    """Yield what was aimed at on one set: the better of our graph and our partitions, beside the best of others."""
    name, hnswlib = one.data.name, one.best(AIMED_AT[0], HNSWLIB)
    for recall in AIMED_AT:
        better, peer = one.best(recall, *one.graphs(), OUR_IVF), one.best_peer(recall)
        what = f"{name}: queries/s at recall {recall}, {better.contestant.name}"
        yield Aim(f"{what}, of {peer.contestant.name}'s", OF_BEST_PEER, ratios(better, peer, recall))
        yield Aim(f"{what}, of hnswlib's", OF_HNSWLIB, ratios(better, hnswlib, recall))
    scann, ivf = one.best(AIMED_AT[0], SCANN), one.best(AIMED_AT[0], OUR_IVF)
    for graph in one.graphs():
        what, reached = f"{name}: time to build {graph}, of hnswlib's", of_builds(one.best(AIMED_AT[0], graph), hnswlib)
        yield Aim(what, BUILD_OF_HNSWLIB, reached, False)
    what = f"{name}: time to build {OUR_IVF}, of {SCANN}'s ({scann.contestant.setting})"
    yield Aim(what, BUILD_OF_SCANN, of_builds(ivf, scann), False)
    yield Aim(f"{name}: memory of {OUR_IVF}, of the float32 vectors", IVF_MEMORY, [share(ivf)], False)


def of_builds(curve: Curve, base: Curve) -> list[float]:
    """Return the time to build of that of another, turn by turn as far as both were built."""
    pairs = zip(curve.contestant.seconds, base.contestant.seconds, strict=False)
    return [one / other for one, other in pairs]


def share(curve: Curve) -> float:
    """Return the size of the index, of that of the float32 vectors."""
    return curve.contestant.size / curve.contestant.data.vectors.nbytes


def of_set(one: SetResults) -> str:
    count, dimension = one.data.vectors.shape
    parts = [
        f"## {one.data.name}",
        f"{count:,} vectors of {dimension} numbers, {one.data.metric}; {len(one.data.queries):,} queries.",
        f"![recall against queries a second on {one.data.name}](fastest-{one.data.name}.png)",
        rate_table(one),
        ratio_table(one),
        build_table(one),
    ]
    return "\n\n".join(parts)


def rate_table(one: SetResults) -> str:
    """One row a contestant: of several settings the best at each recall, which the last column tells."""
    head = ["queries/s", *(f"at recall {recall}" for recall in RECALLS), "setting"]
    rows = []
    for name in one.names():
        best = [one.best(recall, name) for recall in RECALLS]
        rows.append([name, *(shown(curve, recall) for curve, recall in zip(best, RECALLS, strict=True)), told(best)])
    return table(head, rows)


def shown(curve: Curve, recall: float) -> str:
    """Return the rate, with "<" where the least effort found more than asked and might have been less."""
    if isnan(curve.rate_at(recall)):
        return "not reached"
    cautious = "at least " if curve.points[0].recall > recall and curve.contestant.name != OUR_SCAN else ""
    return cautious + spread(curve.rates_at(recall))


def told(best: Sequence[Curve]) -> str:
    """Return the settings, at ascending recalls, each once; nothing where there was no choice."""
    return "; then ".join(dict.fromkeys(curve.contestant.setting for curve in best))


def ratio_table(one: SetResults) -> str:
    """Return how the rates compare with hnswlib's and those of the best peer, repeat by repeat."""
    head = ["queries/s, of"]
    head += [f"{whose}, {recall}" for recall in RECALLS for whose in ("hnswlib's", f"{fastest(one, recall)}'s")]
    rows = []
    for name in one.names():
        row = [name]
        for recall in RECALLS:
            own = one.best(recall, name)
            row += [compared(own, base, recall) for base in (one.best(recall, HNSWLIB), one.best_peer(recall))]
        rows.append(row)
    return table(head, rows)


def fastest(one: SetResults, recall: float) -> str:
    return one.best_peer(recall).contestant.name


def compared(curve: Curve, base: Curve, recall: float) -> str:
    found = ratios(curve, base, recall)
    return "" if isnan(median(found)) else spread(found, 2)


def build_table(one: SetResults) -> str:
    """One row an index that was built; settings of searches share one."""
    head = ["built by one thread", "seconds", "of hnswlib's", "memory MB", "of float32", "what is counted"]
    base = median(one.best(RECALLS[0], HNSWLIB).contestant.seconds)
    rows = dict[str, list[str]]()
    for curve in one.curves:
        own = curve.contestant
        figures = [spread(own.seconds, 1) if len(own.seconds) > 1 else f"{own.seconds[0]:.1f}"]
        figures += [f"{median(own.seconds) / base:.2f}", f"{own.size / 1e6:,.1f}", f"{share(curve):.3f}", own.counted]
        name = ", ".join(own.label.split(", ")[:2] if own.name != SCANN else own.label.split(", ")[:-1])
        rows.setdefault(name, [name, *figures])
    return table(head, list(rows.values()))

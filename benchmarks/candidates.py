"""What more candidates for the links of a graph cost at the build, and what they give a search, beside hnswlib.

    python -m benchmarks.candidates [--sets words-100 sentences-384 fashion-mnist] [--repeats 5]

One thread on one core; hnswlib and our wide graph of every `ef_construction` are built one after the other, and then
asked in turns, one query at a time (`curves.py`). fashion-mnist is the Debian package dataset-fashion-mnist.
"""

from collections.abc import Sequence
from dataclasses import replace

from benchmarks import peers
from benchmarks.curves import Curve, measured
from benchmarks.fastest import of_our_graph, warm_up
from benchmarks.harness import spread, table
from benchmarks.vector_sets import begun

TRIED = (100, 120, 150, 200)
ASKED = 500
RECALLS = (0.95, 0.99)
HEAD = ["graph", "build s", "of hnswlib", *(f"queries/s at recall {recall}" for recall in RECALLS)]


def main() -> None:
    """Measure and print."""
    repeats, data_sets = begun(__doc__)
    warm_up()
    for data in data_sets:
        everybody = [peers.of_hnswlib(data)]
        for candidates in TRIED:
            params = replace(peers.GRAPH, ef_construction=candidates)
            everybody += of_our_graph(data, f"ef_construction {candidates}", params)
        print(f"\n{data.name}\n\n{table(HEAD, rows(measured(everybody, repeats, ASKED)))}")


def rows(curves: Sequence[Curve]) -> list[list[str]]:
    """Return a row for each curve; the first is hnswlib's."""
    base = curves[0].contestant.seconds[0]
    found = list[list[str]]()
    for curve in curves:
        seconds = curve.contestant.seconds[0]
        rates = [spread(curve.rates_at(recall)) for recall in RECALLS]
        found.append([curve.contestant.name, f"{seconds:.1f}", f"{seconds / base:.2f}", *rates])
    return found


if __name__ == "__main__":
    main()

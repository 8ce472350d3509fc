"""What `auto` predicts from samples beside what is so: cost, memory, and whether the same index would be chosen.

    python -m benchmarks.auto_choice --data ../shared/data

A trial is made as a library makes it, over at most 20,000 vectors, and again over all of them. `predicted` is what the
first says of the whole set, `real` is the second; both are processor time of one query, in microseconds. With --busy
the first is made beside a process that streams through memory without end: pin both to one core (`taskset -c 0`).
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness import environment, table
from pergamum.domain.trial import Trial
from pergamum.domain.vectors import Metric
from pergamum.engine import trying
from pergamum.engine.auto import Candidate, Facts, Rule, decide, named
from pergamum.engine.trying import tried
from pergamum.engine.view import EXACT, View
from pergamum.index.layered import LayeredIndex
from tests.support.fake_index import JOB
from tests.support.kernels import prepare_kernels
from tests.support.planned import load, view_of

SETS = ("words-100", "sentences-384")
STREAM = "import numpy\na = numpy.ones(30_000_000, numpy.float32)\nwhile True: a += 1"
RECALLS = (0.9, 0.95, 0.99)
HEADER = (
    "set",
    "recall",
    "kind",
    "over the sample",
    "exponent",
    "predicted",
    "real",
    "MB predicted",
    "MB real",
    "best",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--set", dest="sets", action="append", choices=SETS, help="only this data set")
    parser.add_argument("--count", type=int, help="only so many vectors")
    parser.add_argument("--busy", action="store_true", help="make the trial beside a process that uses up the memory")
    arguments = parser.parse_args()
    prepare_kernels()
    print(environment())
    rows: list[list[str]] = []
    for name in arguments.sets or SETS:
        vectors = load(arguments.data, name, arguments.count).base
        view = view_of(LayeredIndex.empty(vectors.shape[1], Metric.COSINE).extended(vectors), vectors, Metric.COSINE)
        started = time.process_time(), time.perf_counter()
        with _beside(STREAM if arguments.busy else None):
            sampled = tried(view, None, JOB)
        took, clock = time.process_time() - started[0], time.perf_counter() - started[1]
        print(
            f"{name}, {len(vectors)} vectors: the trial took {took:.1f} s of processor time, {clock:.1f} by the clock"
        )
        rows += _compared(name, view, sampled, _over_everything(view))
    print(table(HEADER, rows))


@contextmanager
def _beside(program: str | None) -> Iterator[None]:
    """Run the block beside a process that does not end by itself."""
    if program is None:
        yield
        return
    other = subprocess.Popen([sys.executable, "-c", program])  # our own program
    try:
        yield
    finally:
        other.kill()
        other.wait()


def _over_everything(view: View) -> Trial:
    most, trying.MOST_SAMPLED = trying.MOST_SAMPLED, view.state.next_slot
    try:
        return tried(view, None, JOB)
    finally:
        trying.MOST_SAMPLED = most


def _compared(name: str, view: View, sampled: Trial, whole: Trial) -> list[list[str]]:
    rows = []
    for recall in RECALLS:
        predicted, real = (_candidates(view, recall, trial) for trial in (sampled, whole))
        for kind, candidate in predicted.items():
            measured = real[kind]
            rows.append(
                [
                    name,
                    f"{recall:g}",
                    kind,
                    _micros(candidate.sample_seconds),
                    "" if candidate.exponent is None else f"{candidate.exponent:.2f}",
                    _micros(candidate.seconds),
                    _micros(measured.sample_seconds),
                    f"{candidate.memory_bytes / 1e6:.1f}",
                    f"{measured.memory_bytes / 1e6:.1f}",
                    _told(candidate, measured),
                ]
            )
    return rows


def _candidates(view: View, recall: float, trial: Trial) -> dict[str, Candidate]:
    facts = Facts(view.live_slots, view.state.next_slot, 1, recall, EXACT)
    compared = decide(facts, Rule(), trial).compared
    assert compared is not None, "the trial is of this library"
    return {named(one.spec): one for one in compared.candidates}


def _told(candidate: Candidate, measured: Candidate) -> str:
    """Return by which trial the kind is the best index, whether exact search is quick enough or not."""
    best = ("chosen", "the best index")
    by = [name for name, one in (("sample", candidate), ("whole", measured)) if one.verdict.startswith(best)]
    return "by " + " and ".join(by) if by else ""


def _micros(seconds: float | None) -> str:
    return "missed" if seconds is None else f"{seconds * 1e6:.0f}"


if __name__ == "__main__":
    main()

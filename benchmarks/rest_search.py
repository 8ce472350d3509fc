"""Searches a second over REST beside controls that take and return the same bodies and do nothing.

    python -m benchmarks.rest_search [--chunks 50000] [--dimension 256] [--clients 8] [--seconds 5] [--repeats 5]
    python -m benchmarks.rest_search --sentences ../shared/data --chunks 100000 --index hnsw --filtered

Both servers run with the same uvicorn settings and share the machine's cores with wrk, which posts prepared bodies in
turn. The repeats of all cases are interleaved. control.py says what the two controls are. Before the clock starts, 500
queries are asked once and their hits compared with the true ones: recall. --index builds an index and waits for it;
without it every search is exact. --recall asks for another than the library's 0.95. --filtered adds filters that 50 %,
5 % and 0.5 % of the chunks pass. With --queries 20000 most rows of hits are read from the database; those of 500
queries stay in memory. --workers lets so many more processes answer, of the control too. --data keeps the data folder,
or uses the one that is there. Needs wrk (on Debian: apt-get install wrk).
"""

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.harness import LIBRARY, Server, environment, fill, free_port, running, spread, table
from benchmarks.rest_data import CHECKED, FILTERS, SCHEMA, Corpus, asked, clusters, sentences, strategy

PATH = f"/v1/libraries/{LIBRARY}"
WRITTEN = ("numbers", "base64")


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table: which server, which route, and the file of bodies. `found`: recall and plan."""

    name: str
    server: Server
    bodies: Path
    control: str
    route: str = "search"
    found: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Run:
    """What wrk measured: requests a second, milliseconds; and the server's processor time a request, microseconds."""

    rate: float
    cpu: float
    p50: float
    p99: float


def main() -> None:
    """Measure and print."""
    options = _options()
    print(environment())
    corpus = _corpus(options)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = options.data or folder / "data"
        filled = data.exists()
        with running(data, options.workers) as server:
            if not filled:
                _fill(server, corpus, options)
            server.settle()
            answer = json.dumps(server.search(corpus.queries[0])).encode()
            with _control(folder, answer, options.workers) as control:
                cases = [case for kind in WRITTEN for case in _cases(folder, kind, (server, control), corpus, options)]
                _report(cases, _measured(cases, options))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=50_000)
    parser.add_argument("--dimension", type=int, default=256)
    parser.add_argument("--sentences", type=Path, help="folder with sentences-384.npz, whose vectors are stored then")
    parser.add_argument("--index", default="brute_force")
    parser.add_argument("--recall", type=float)
    parser.add_argument("--filtered", action="store_true")
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        parser.error("wrk is not installed")
    return options


def _corpus(options: argparse.Namespace) -> Corpus:
    if options.sentences is None:
        return clusters(options.chunks, options.dimension, options.queries)
    return sentences(options.sentences, options.chunks, options.queries)


def _fill(server: Server, corpus: Corpus, options: argparse.Namespace) -> None:
    exact = {"kind": "brute_force"}
    fill(server, corpus.vectors, metadata=corpus.metadata, metadata_schema=SCHEMA, index=exact)
    if options.index != exact["kind"]:
        server.build_index(options.index)


def _cases(
    folder: Path, kind: str, servers: tuple[Server, Server], corpus: Corpus, options: argparse.Namespace
) -> Iterator[Case]:
    """Yield the cases whose vectors are written as `kind`."""
    (server, control), own = servers, f"control, {kind}"
    for name in FILTERS if options.filtered else ("all",):
        path = folder / f"{kind}-{name}"
        bodies = (asked(query, kind, FILTERS[name], options.recall) for query in corpus.queries)
        path.write_bytes(b"".join(body + b"\n" for body in bodies))
        found = _checked(server, path, corpus, FILTERS[name])
        yield Case(f"pergamum, {kind}, {name}", server, path, own, found=found)
    yield Case(own, control, folder / f"{kind}-all", own)
    yield Case(f"control with models, {kind}", control, folder / f"{kind}-all", own, "models")


def _checked(server: Server, bodies: Path, corpus: Corpus, below: int | None) -> tuple[str, str]:
    """Return recall and plan. Ends the benchmark where what is called exact is not."""
    lines, path = bodies.read_bytes().splitlines(), f"{PATH}/search"
    answers = [server.send("POST", path, line) for line in lines[:CHECKED]]
    recall, plan = corpus.recall(answers, below), strategy(server, path, lines[0])
    if recall < 1 and all(answer["exact"] for answer in answers):
        raise SystemExit(f"{bodies.name}: recall {recall} of answers that are called exact")
    return f"{recall:.3f}", plan


@contextmanager
def _control(folder: Path, answer: bytes, workers: int) -> Iterator[Server]:
    (folder / "answer").write_bytes(answer)
    port = free_port()
    command = ("-m", "benchmarks.control", str(port), str(folder / "answer"), str(workers))
    control = Server(folder / "control", command, port=port)
    control.start()
    try:
        yield control
    finally:
        control.stop()


def _measured(cases: list[Case], options: argparse.Namespace) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = {case.name: [] for case in cases}
    for case in cases:
        _wrk(case, options.clients, 2)  # warm up: the kernels are loaded by then
    for _ in range(options.repeats):
        for case in cases:
            runs[case.name].append(_wrk(case, options.clients, options.seconds))
    return runs


def _wrk(case: Case, clients: int, seconds: int) -> Run:
    before = case.server.cpu_seconds()
    script, url = Path(__file__).with_name("rotate.lua"), f"http://127.0.0.1:{case.server.port}{PATH}/{case.route}"
    done = subprocess.run(
        ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "-s", str(script), url],  # found on PATH
        env=os.environ | {"BODIES": str(case.bodies)},
        capture_output=True,
        text=True,
        check=True,
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    result = json.loads(line.removeprefix("RESULT "))
    if result["failed"]:
        raise SystemExit(f"{case.name}: {result['failed']} requests failed\n{done.stdout}")
    cpu = (case.server.cpu_seconds() - before) / (result["rate"] * seconds) * 1e6
    return Run(result["rate"], cpu, result["p50"], result["p99"])


def _report(cases: list[Case], runs: dict[str, list[Run]]) -> None:
    rows = []
    for case in cases:
        found, control = runs[case.name], runs[case.control]
        ratio = median(run.rate / other.rate for run, other in zip(found, control, strict=True))
        middle = [median(values) for values in zip(*((run.p50, run.p99) for run in found), strict=True)]
        cpu = f"{median(run.cpu for run in found):.0f}"
        shown = [*(f"{ms:.2f}" for ms in middle), cpu, f"{ratio:.2f}", *case.found]
        rows.append([case.name, spread([run.rate for run in found]), *shown])
    head = ["server, vectors as", "requests/s (range)", "p50 ms", "p99 ms", "CPU us", "of control", "recall", "plan"]
    print(table(head, rows))


if __name__ == "__main__":
    main()

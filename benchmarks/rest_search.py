"""Searches a second over REST beside controls that take and return the same bodies and do nothing.

    python -m benchmarks.rest_search [--chunks 50000] [--dimension 256] [--clients 8] [--seconds 5] [--repeats 5]

Both servers run with the same uvicorn settings and share the machine's cores with wrk, which posts prepared bodies in
turn. The repeats of all cases are interleaved. control.py says what the two controls are. Needs wrk (on Debian:
apt-get install wrk).
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

import numpy as np

from benchmarks.harness import (
    LIBRARY,
    Server,
    Vectors,
    corpus,
    encoded,
    environment,
    fill,
    free_port,
    running,
    spread,
    table,
)

PATH = f"/v1/libraries/{LIBRARY}"
BODIES = 500
NOISE = 0.03
CHECKED = 50


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table: which server, and how vectors are written."""

    name: str
    server: Server
    bodies: Path
    route: str = "search"


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
    vectors = corpus(options.chunks, options.dimension)
    queries = _queries(vectors)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bodies = {kind: _write_bodies(folder / kind, queries, kind) for kind in ("numbers", "base64")}
        with running(folder / "data") as server:
            fill(server, vectors)
            _check(server, vectors, queries)
            with _control(folder, json.dumps(server.search(queries[0])).encode()) as control:
                cases = [case for kind, path in bodies.items() for case in _cases(server, control, kind, path)]
                _report(_measured(cases, options))


def _cases(server: Server, control: Server, kind: str, bodies: Path) -> list[Case]:
    return [
        Case(f"pergamum, {kind}", server, bodies),
        Case(f"control, {kind}", control, bodies),
        Case(f"control with models, {kind}", control, bodies, "models"),
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=50_000)
    parser.add_argument("--dimension", type=int, default=256)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        parser.error("wrk is not installed")
    return options


def _queries(vectors: Vectors) -> Vectors:
    """Return vectors near stored ones."""
    rng = np.random.default_rng(1)
    near = vectors[rng.integers(0, len(vectors), BODIES)]
    return near + np.float32(NOISE) * rng.standard_normal(near.shape).astype(np.float32)


def _write_bodies(path: Path, queries: Vectors, kind: str) -> Path:
    written = (encoded(query) if kind == "base64" else [round(x, 7) for x in query.tolist()] for query in queries)
    path.write_text("".join(json.dumps({"vector": vector, "k": 10}) + "\n" for vector in written))
    return path


def _check(server: Server, vectors: Vectors, queries: Vectors) -> None:
    """End the benchmark unless the answers are the true nearest."""
    for query in queries[:CHECKED]:
        nearest = np.argsort(-(vectors.astype(np.float64) @ query.astype(np.float64)), kind="stable")[:10]
        found = [hit["chunk_id"] for hit in server.search(query)["hits"]]
        if found != [f"c{slot}" for slot in nearest]:
            raise SystemExit(f"wrong answer: {found}")


@contextmanager
def _control(folder: Path, answer: bytes) -> Iterator[Server]:
    (folder / "answer").write_bytes(answer)
    port = free_port()
    control = Server(folder / "control", ("-m", "benchmarks.control", str(port), str(folder / "answer")), port=port)
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


def _report(runs: dict[str, list[Run]]) -> None:
    rows = []
    for name, found in runs.items():
        control = runs[f"control, {name.partition(', ')[2]}"]
        ratio = median(run.rate / other.rate for run, other in zip(found, control, strict=True))
        middle = [median(values) for values in zip(*((run.p50, run.p99) for run in found), strict=True)]
        cpu = f"{median(run.cpu for run in found):.0f}"
        rows.append([name, spread([run.rate for run in found]), *(f"{ms:.2f}" for ms in middle), cpu, f"{ratio:.2f}"])
    print(table(["server, vectors as", "requests/s (range)", "p50 ms", "p99 ms", "CPU us", "of control"], rows))


if __name__ == "__main__":
    main()

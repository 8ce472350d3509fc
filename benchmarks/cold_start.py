"""Seconds from the start of the server's process to the first correct answer, with many chunks stored already.

    python -m benchmarks.cold_start [--chunks 200000] [--dimension 256] [--repeats 5]
    python -m benchmarks.cold_start --chunks 1000000 --index hnsw [--data-dir FOLDER]

Cold: the system's page cache is dropped before the start (Linux, as root), so code and data come from the disk. Warm:
it is not. Correct means that the vector of a known chunk finds that chunk, at distance zero. --index builds one before;
--data-dir keeps the folder, and takes what an earlier run with the same options has left there.
"""

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from benchmarks.harness import Server, Vectors, corpus, environment, fill, running, spread, table

DROP_CACHES = Path("/proc/sys/vm/drop_caches")
POLL_SECONDS = 0.01
LIMIT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds until the first correct answer, and the processor time that the server had taken by then."""

    seconds: float
    cpu: float


def main() -> None:
    """Measure and print."""
    options = _options()
    print(environment())
    vectors = corpus(options.chunks, options.dimension)
    with tempfile.TemporaryDirectory() as name:
        data_dir = options.data_dir or Path(name) / "data"
        if not data_dir.exists():
            _prepare(data_dir, vectors, options.index)
        rows = [_row("warm page cache", _starts(data_dir, vectors, options.repeats, cold=False))]
        if os.access(DROP_CACHES, os.W_OK):
            rows.append(_row("page cache dropped", _starts(data_dir, vectors, options.repeats, cold=True)))
        else:
            print("not root, or not Linux: the page cache cannot be dropped, only warm starts are measured\n")
    print(table(["start", "seconds to the first correct answer (range)", "of processor time (range)"], rows))


def _prepare(data_dir: Path, vectors: Vectors, index: str | None) -> None:
    """Store the chunks, and build the index where one is asked for."""
    with running(data_dir) as server:
        if index is None:
            fill(server, vectors)
        else:  # nothing else is built meanwhile
            fill(server, vectors, index={"kind": "brute_force"})
            server.build_index(index)
        server.settle()


def _row(name: str, starts: list[Start]) -> list[str]:
    return [name, spread([start.seconds for start in starts], 2), spread([start.cpu for start in starts], 2)]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=200_000)
    parser.add_argument("--dimension", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--index", help="kind of the index to build first: hnsw, ivf")
    parser.add_argument("--data-dir", type=Path, help="keep the data there, or take them from there")
    return parser.parse_args()


def _starts(data_dir: Path, vectors: Vectors, repeats: int, *, cold: bool) -> list[Start]:
    found = []
    for number in range(repeats):
        server = Server(data_dir)
        if cold:
            os.sync()
            DROP_CACHES.write_text("3")
        started = time.perf_counter()
        server.spawn()
        try:
            _await_answer(server, vectors, (number * 7_919) % len(vectors))
            found.append(Start(time.perf_counter() - started, server.cpu_seconds()))
        finally:
            server.stop()
    return found


def _await_answer(server: Server, vectors: Vectors, wanted: int) -> None:
    """Ask until an answer comes; end the benchmark when it is wrong."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        try:
            nearest = server.search(vectors[wanted])["hits"][0]
        except (OSError, HTTPException):
            time.sleep(POLL_SECONDS)
            continue
        if nearest["chunk_id"] != f"c{wanted}" or abs(nearest["distance"]) > 1e-6:
            raise SystemExit(f"wrong answer: {nearest['chunk_id']} instead of c{wanted}")
        return
    raise SystemExit("no answer in time")


if __name__ == "__main__":
    main()

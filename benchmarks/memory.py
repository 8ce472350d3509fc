"""Anonymous memory of a server with many chunks, less that of an empty one, beside the bound of docs/benchmarks.md.

    python -m benchmarks.memory [--chunks 200000] [--dimension 256]

Anonymous memory (RssAnon) is what the process holds itself; mapped file pages (RssFile: vectors, libraries of code,
the model) are the system's to take back and are reported apart. Linux only.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import LIBRARY, Server, Vectors, corpus, environment, fill, running, table

SHARE_OF_VECTORS = 0.35
BYTES_A_CHUNK = 300
SEARCHES = 50
SETTLED_SECONDS = 3.0
POLL_SECONDS = 0.1
MB = 1e6


@dataclass(frozen=True, slots=True)
class Memory:
    """What a process holds at one moment, in bytes."""

    moment: str
    anonymous: int
    mapped: int


def main() -> None:
    """Measure and print."""
    options = _options()
    print(environment())
    vectors = corpus(options.chunks, options.dimension)
    with tempfile.TemporaryDirectory() as name:
        empty = _of_an_empty_server(Path(name) / "empty")
        found = _of_a_full_server(Path(name) / "full", vectors)
    _report(empty, found, vectors)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=200_000)
    parser.add_argument("--dimension", type=int, default=256)
    return parser.parse_args()


def _of_an_empty_server(data_dir: Path) -> Memory:
    """Return the memory of a server that has done everything once, on next to nothing."""
    with running(data_dir) as server:
        one = corpus(1, 256)
        fill(server, one)
        _now("kernels loading", server)
        _search(server, one)
        return _now("empty server", server)


def _of_a_full_server(data_dir: Path, vectors: Vectors) -> list[Memory]:
    with running(data_dir) as server:
        fill(server, vectors)
        found = [_now("after the import", server)]
        _search(server, vectors)
        found.append(_now(f"after {SEARCHES} searches more", server))
    with running(data_dir) as server:
        server.search(vectors[0])
        found.append(_now("after a restart and a search", server))
        _search(server, vectors)
        found.append(_now(f"after {SEARCHES} searches more", server))
    return found


def _search(server: Server, vectors: Vectors) -> None:
    for number in range(SEARCHES):
        server.search(vectors[number % len(vectors)])


def _now(moment: str, server: Server) -> Memory:
    """Return the memory once nothing changes: kernels are loaded and snapshots saved beside the requests."""
    last, since = 0, time.monotonic()
    while time.monotonic() - since < SETTLED_SECONDS:
        now = server.memory("RssAnon") + server.memory("RssFile")
        if now != last:
            last, since = now, time.monotonic()
        time.sleep(POLL_SECONDS)
    return Memory(moment, server.memory("RssAnon"), server.memory("RssFile"))


def _report(empty: Memory, found: list[Memory], vectors: Vectors) -> None:
    allowed = SHARE_OF_VECTORS * vectors.nbytes + BYTES_A_CHUNK * len(vectors)
    rows = [_row(empty, empty, len(vectors), allowed), *(_row(m, empty, len(vectors), allowed) for m in found)]
    print(f"{len(vectors):,} chunks in library {LIBRARY!r}, vectors {vectors.nbytes / MB:,.0f} MB as float32")
    print(f"allowed beside an empty server: {allowed / MB:,.1f} MB ({allowed / len(vectors):,.0f} bytes a chunk)\n")
    head = ["moment", "anonymous MB", "more than empty", "bytes a chunk", "of allowed", "mapped MB"]
    print(table(head, rows))


def _row(memory: Memory, empty: Memory, chunks: int, allowed: float) -> list[str]:
    more = memory.anonymous - empty.anonymous
    shares = [f"{more / MB:,.1f}", f"{more / chunks:,.0f}", f"{more / allowed:.2f}"]
    return [memory.moment, f"{memory.anonymous / MB:,.1f}", *shares, f"{memory.mapped / MB:,.1f}"]


if __name__ == "__main__":
    main()

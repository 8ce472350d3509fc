"""Anonymous memory of a server with many chunks, less that of an empty one, beside the bound of docs/benchmarks.md.

    python -m benchmarks.memory [--chunks 200000] [--dimension 256]
    python -m benchmarks.memory --index ivf [--set words-100 --data FOLDER]

Anonymous memory (RssAnon) is what the process holds itself; mapped file pages (RssFile: vectors, indexes that have been
saved, libraries of code, the model) are the system's to take back and are reported apart. Searches are exact unless
--index names a kind: it is built first, what the server says it holds of it is told, and the pages of its files and of
the vectors that the process has mapped, from /proc/PID/smaps; then the searches are 1,000, and some exact ones follow.
--set takes the vectors of a set in place of made ones. Linux only.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import LIBRARY, Server, Vectors, corpus, environment, fill, running, table
from benchmarks.vector_sets import DataSet

SHARE_OF_VECTORS = 0.35
BYTES_A_CHUNK = 300
SEARCHES = 50
SEARCHES_OF_AN_INDEX = 1_000
EXACT_SEARCHES = 20
SETTLED_SECONDS = 3.0
POLL_SECONDS = 0.1
LIMIT_SECONDS = 300.0
MB = 1e6
_EXACT = {"kind": "brute_force"}
"""Of a library beside which no index is built meanwhile, as `auto` would."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a process holds at one moment, in bytes.

    `held` is what it says it holds of the index itself; `index`, `codes` and `vectors` are pages of mapped files.
    """

    moment: str
    anonymous: int
    mapped: int
    held: int
    index: int
    codes: int
    vectors: int


def main() -> None:
    """Measure and print."""
    options = _options()
    print(environment())
    if options.set is None:
        vectors = corpus(options.chunks, options.dimension)
    else:
        vectors = DataSet.load(options.data, options.set).vectors
    with tempfile.TemporaryDirectory() as name:
        empty = _of_an_empty_server(Path(name) / "empty")
        if options.index is None:
            _report(empty, _of_a_full_server(Path(name) / "full", vectors), vectors)
        else:
            _report_index(empty, _of_an_index(Path(name) / "full", vectors, options.index), vectors)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=200_000)
    parser.add_argument("--dimension", type=int, default=256)
    parser.add_argument("--index", help="kind of the index to build first: hnsw, ivf")
    parser.add_argument("--set", help="vectors of this set, such as words-100")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the sets")
    return parser.parse_args()


def _of_an_empty_server(data_dir: Path) -> Memory:
    """Return the memory of a server that has done everything once, on next to nothing."""
    with running(data_dir) as server:
        one = corpus(1, 256)
        fill(server, one)
        _await_kernels(server)
        _now("kernels loading", server)
        _search(server, one, SEARCHES)
        return _now("empty server", server)


def _await_kernels(server: Server) -> None:
    """Return when the server has its kernels: only it maps libraries of numba, and where none are kept it compiles."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while "llvmlite" not in Path(f"/proc/{server.pid}/maps").read_text() and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _of_a_full_server(data_dir: Path, vectors: Vectors) -> list[Memory]:
    with running(data_dir) as server:
        fill(server, vectors, index=_EXACT)
        found = [_now("after the import", server), _after_searches(server, vectors, SEARCHES)]
    with running(data_dir) as server:
        return found + _restarted(server, vectors, SEARCHES)


def _of_an_index(data_dir: Path, vectors: Vectors, index: str) -> list[Memory]:
    with running(data_dir) as server:
        fill(server, vectors, index=_EXACT)
        found = [_now("after the import", server)]
        server.build_index(index)
        found += [_now(f"{index} built and saved", server), _after_searches(server, vectors, SEARCHES_OF_AN_INDEX)]
    with running(data_dir) as server:
        found += _restarted(server, vectors, SEARCHES_OF_AN_INDEX)
        for number in range(EXACT_SEARCHES):
            server.search(vectors[number], recall="exact")
        found.append(_now(f"after {EXACT_SEARCHES} exact searches", server))
    return found


def _restarted(server: Server, vectors: Vectors, searches: int) -> list[Memory]:
    """Return the memory of a server that was just started, after its first search and after more."""
    server.search(vectors[0])
    return [_now("after a restart and a search", server), _after_searches(server, vectors, searches)]


def _after_searches(server: Server, vectors: Vectors, searches: int) -> Memory:
    _search(server, vectors, searches)
    return _now(f"after {searches:,} searches", server)


def _search(server: Server, vectors: Vectors, searches: int) -> None:
    for number in range(searches):
        server.search(vectors[number * 7_919 % len(vectors)])


def _now(moment: str, server: Server) -> Memory:
    """Return the memory once nothing changes: kernels are loaded and snapshots saved beside the requests."""
    last, since = 0, time.monotonic()
    while time.monotonic() - since < SETTLED_SECONDS:
        now = server.memory("RssAnon") + server.memory("RssFile")
        if now != last:
            last, since = now, time.monotonic()
        time.sleep(POLL_SECONDS)
    pages = _pages(server.pid)
    codes, vectors = pages.pop("brute-force.index", 0), pages.pop("vectors.f32", 0)
    index = sum(size for name, size in pages.items() if name.endswith(".index"))
    held = server.send("GET", f"/v1/libraries/{LIBRARY}/index")["anonymous_bytes"]
    return Memory(moment, server.memory("RssAnon"), server.memory("RssFile"), held, index, codes, vectors)


def _pages(pid: int) -> dict[str, int]:
    """Return the bytes of each file that the process has in its memory, by the file's name."""
    pages, name = dict[str, int](), ""
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        if not fields[0].endswith(":"):  # a new map: addresses, rights, offset, device, inode, path
            name = Path(fields[5].removesuffix(" (deleted)")).name if len(fields) > 5 else ""
        elif fields[0] == "Rss:":
            pages[name] = pages.get(name, 0) + int(fields[1]) * 1024
    return pages


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


def _report_index(empty: Memory, found: list[Memory], vectors: Vectors) -> None:
    """Print shares of the float32 vectors; those of files are the pages that the process has mapped at the moment."""
    print(f"{len(vectors):,} x {vectors.shape[1]}, vectors {vectors.nbytes / MB:,.0f} MB as float32; ", end="")
    print(f"an empty server holds {empty.anonymous / MB:,.1f} MB\n")
    head = [
        "moment",
        "anonymous MB",
        "more than empty",
        "of float32",
        "of it the index",
        "index file",
        "codes file",
        "vector file",
    ]
    print(table(head, [_index_row(memory, empty, vectors.nbytes) for memory in found]))


def _index_row(memory: Memory, empty: Memory, size: int) -> list[str]:
    more = memory.anonymous - empty.anonymous
    files = (f"{part / size:.2f}" for part in (memory.held, memory.index, memory.codes, memory.vectors))
    return [memory.moment, f"{memory.anonymous / MB:,.1f}", f"{more / MB:,.1f}", f"{more / size:.2f}", *files]


if __name__ == "__main__":
    main()

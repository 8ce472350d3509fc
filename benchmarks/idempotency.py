"""What an idempotency key adds to a write: a small one, and a batch of 1,000 chunks (decision 21).

    python -m benchmarks.idempotency [--writes 500] [--batches 10] [--repeats 7]

A server of its own takes writes one after the other, blocks of them with a new key each and without one, in turns.
Counted is the processor time of the server's threads, all of HTTP included, and the time by the clock, with flushes. A
figure is the median of the repeats, each the median of its blocks, in brackets the least and greatest.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from uuid import uuid4

from benchmarks.harness import LIBRARY, Server, Vectors, corpus, documents, encoded, environment, running, spread, table

DIMENSION, CHUNKS, WARM_UP, BLOCK = 256, 1_000, 20, 10
PATH = f"/v1/libraries/{LIBRARY}/documents"


@dataclass
class Case:
    """Bodies that are sent to one path, and what they took: microseconds a write in each repeat, by key or without."""

    name: str
    path: str
    bodies: Iterator[bytes]
    number: int
    block: int
    own: dict[bool, list[float]] = field(default_factory=lambda: {False: [], True: []})
    wall: dict[bool, list[float]] = field(default_factory=lambda: {False: [], True: []})

    def send(self, server: Server, connection: HTTPConnection) -> None:
        """Send one repeat: blocks with keys and without, in turns."""
        taken: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
        for _ in range(0, self.number, self.block):
            for keyed, found in taken.items():
                found.append(self._block(server, connection, keyed))
        for keyed, found in taken.items():
            self.wall[keyed].append(median(wall for wall, _ in found))
            self.own[keyed].append(median(own for _, own in found))

    def _block(self, server: Server, connection: HTTPConnection, keyed: bool) -> tuple[float, float]:
        """Return the microseconds a write, by the clock and of the server. Bodies are made before the clock runs."""
        bodies = [next(self.bodies) for _ in range(self.block)]
        started, own_started = time.perf_counter(), processor_seconds(server)
        for body in bodies:
            post(connection, self.path, body, keyed)
        own, wall = processor_seconds(server) - own_started, time.perf_counter() - started
        return 1e6 * wall / self.block, 1e6 * own / self.block

    def rows(self) -> Iterator[list[str]]:
        for what, found in (("processor time of the server", self.own), ("by the clock", self.wall)):
            more = [one - other for one, other in zip(found[True], found[False], strict=True)]
            yield [self.name, what, *(spread(values) for values in (found[False], found[True], more))]


def processor_seconds(server: Server) -> float:
    """Return the processor time of all threads; /proc/PID/stat counts in hundredths only."""
    tasks = Path(f"/proc/{server.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def post(connection: HTTPConnection, path: str, body: bytes, keyed: bool) -> None:
    headers = {"content-type": "application/json"} | ({"idempotency-key": uuid4().hex} if keyed else {})
    connection.request("POST", path, body, headers)
    response = connection.getresponse()
    answer = response.read()
    if response.status >= 300:
        raise SystemExit(f"{path}: {response.status} {answer[:500].decode()}")


def small(vectors: Vectors) -> Iterator[bytes]:
    """Yield documents of one chunk, without end."""
    number = 0
    while True:
        chunk = {"text": "a small write", "embedding": encoded(vectors[number % len(vectors)])}
        yield json.dumps({"id": f"small-{number}", "chunks": [chunk]}).encode()
        number += 1


def batches(vectors: Vectors) -> Iterator[bytes]:
    """Yield batches of CHUNKS chunks, which replace those of the batch before."""
    while True:
        items = list(documents(vectors, ["a chunk of a batch"] * len(vectors)))
        yield json.dumps({"documents": items}).encode()


def measured(server: Server, cases: Sequence[Case], repeats: int) -> None:
    connection = HTTPConnection("127.0.0.1", server.port)
    for case in cases:
        for keyed in (False, True):
            for _ in range(WARM_UP):
                post(connection, case.path, next(case.bodies), keyed)
    server.settle()
    for _ in range(repeats):
        for case in cases:
            case.send(server, connection)
    connection.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What an idempotency key adds to a write.")
    parser.add_argument("--writes", type=int, default=500)
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    print(environment())
    vectors = corpus(CHUNKS, DIMENSION)
    cases = [
        Case("one chunk", PATH, small(vectors), options.writes, BLOCK),
        Case(f"a batch of {CHUNKS:,} chunks", f"{PATH}:batch", batches(vectors), options.batches, 1),
    ]
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "data") as server:
        server.create_library(dimension=DIMENSION)
        measured(server, cases, options.repeats)
    head = ["us a write (range)", "", "without a key", "with one", "more"]
    print(table(head, [row for case in cases for row in case.rows()]))


if __name__ == "__main__":
    main()

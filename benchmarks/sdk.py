"""What the Python SDK costs beside bare httpx, and how fast it stores. Writes docs/benchmarks/sdk.md with --report.

    python -m benchmarks.sdk [--chunks 20000] [--searches 300] [--flight 2048] [--repeats 7] [--report]
    python -m benchmarks.sdk --memory 10000000

The server is a process of its own on the same cores. What is compared is sent in turns by this process: a search by the
SDK and the same one by bare httpx, which encodes the vector and reads the answer with orjson, on a connection that is
kept and on a new one for each, which shows what keeping it is worth; then rounds of 256
searches, 64 at once, by the asynchronous SDK and by a bare httpx.AsyncClient that sends the same bytes, made before,
and takes the answer as bytes; it has one pool of connections, as it comes, where the SDK has several. The library
searched is small, so that the search hides nothing of that. Storing counts chunks from the arrays of the program to the
server's answer, which comes after its flush; each repeat has its own library. --memory stores that many items, made as
they are asked for, on a server that is simulated in this process, and prints the memory that this took.
"""

import argparse
import asyncio
import base64
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeAlias

import httpx
import orjson

from benchmarks.harness import (
    CHUNKS_A_DOCUMENT,
    LIBRARY,
    Server,
    Vectors,
    corpus,
    environment,
    running,
    spread,
    table,
    texts,
)
from pergamum import AsyncPergamum, Pergamum
from pergamum.client import Stored
from pergamum.client.drafts import ChunkOfDocument, NewDocument

Flown: TypeAlias = Callable[[int], Awaitable[object]]
REPORT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks" / "sdk.md"
DIMENSION = 256
K = 10
SHORT = 60
MANY = 10_000_000
FLIGHT = 64
ROUND = 4 * FLIGHT
SEARCHED_CHUNKS = 1_000
WARM_UP = 50
JSON = {"content-type": "application/json"}
SEARCHED = f"/v1/libraries/{LIBRARY}/search"
MOST_OVERHEAD_US = 250
LEAST_CHUNKS = 8_000
LEAST_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of one request: by the clock, and of this process's processor time."""

    wall: float
    cpu: float


def main() -> None:
    """Measure and print."""
    options = _options()
    if options.memory:
        print(_memory(options.memory))
        return
    about = environment()
    vectors, contents = corpus(options.chunks, DIMENSION), [text[:SHORT] for text in texts(options.chunks)]
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "data") as server:
        stored = _storing(server, vectors, contents, options.repeats)
        few = vectors[:SEARCHED_CHUNKS]
        _store(server, few, contents)
        server.settle()
        searched = _searching(server, few, options.searches, options.repeats)
        flown = asyncio.run(_flying(server, few, options.flight, options.repeats))
    said = "\n\n".join([_aims(searched, stored, flown), searched.shown(), stored.shown(), flown.shown()])
    print(about, said, sep="\n")
    if options.report:
        REPORT.write_text(_report(about, said, _memory_of_its_own(MANY)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The SDK beside bare httpx.")
    parser.add_argument("--chunks", type=int, default=20_000)
    parser.add_argument("--searches", type=int, default=300)
    parser.add_argument("--flight", type=int, default=2_048)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--memory", type=int, default=0)
    return parser.parse_args()


# One search after the other


@dataclass(frozen=True, slots=True)
class Searches:
    """The medians of each repeat."""

    bare: Sequence[Cost]
    sdk: Sequence[Cost]
    anew: Sequence[Cost]

    def overhead_us(self) -> list[float]:
        """Return how much longer a search takes by the SDK, in each repeat."""
        return [1e6 * (sdk.wall - bare.wall) for bare, sdk in zip(self.bare, self.sdk, strict=True)]

    def shown(self) -> str:
        """Return the table."""
        head = ("one search after the other", "us a search (range)", "of this process's processor time")
        rows = [
            (name, spread([1e6 * cost.wall for cost in costs]), spread([1e6 * cost.cpu for cost in costs]))
            for name, costs in (
                ("bare httpx and orjson", self.bare),
                ("SDK", self.sdk),
                ("bare httpx, a new connection each", self.anew),
            )
        ]
        return table(head, rows)


def _searching(server: Server, vectors: Vectors, number: int, repeats: int) -> Searches:
    bare_costs, sdk_costs, anew_costs = [], [], []
    url = f"http://127.0.0.1:{server.port}"
    with Pergamum(url) as client, httpx.Client(base_url=url) as http:
        library = client.library(LIBRARY)

        def bare(place: int, headers: dict[str, str] = JSON) -> object:
            vector = base64.b64encode(vectors[place].tobytes()).decode()
            body = orjson.dumps({"vector": vector, "k": K})
            return orjson.loads(http.post(SEARCHED, content=body, headers=headers).content)

        def anew(place: int) -> object:
            return bare(place, JSON | {"connection": "close"})

        def sdk(place: int) -> object:
            return library.search(vector=vectors[place], k=K)

        _alternating(bare, sdk, WARM_UP)
        for _ in range(repeats):
            one, other = _alternating(bare, sdk, number)
            bare_costs.append(one)
            sdk_costs.append(other)
            anew_costs.append(_alternating(anew, sdk, number)[0])
    return Searches(bare_costs, sdk_costs, anew_costs)


def _alternating(first: Callable[[int], object], second: Callable[[int], object], number: int) -> tuple[Cost, Cost]:
    """Return the medians of both, called in turns: whatever slows the machine slows both."""
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    for place in range(number):
        for call, into in zip((first, second), costs, strict=True):
            wall, cpu = time.perf_counter(), time.process_time()
            call(place)
            into.append(Cost(time.perf_counter() - wall, time.process_time() - cpu))
    one, other = (Cost(median(cost.wall for cost in of), median(cost.cpu for cost in of)) for of in costs)
    return one, other


# Storing


@dataclass(frozen=True, slots=True)
class Storing:
    """Chunks a second, and microseconds of processor time a chunk, of each repeat."""

    rates: Sequence[float]
    client_us: Sequence[float]
    server_us: Sequence[float]

    def shown(self) -> str:
        """Return the table."""
        head = ("add_many, documents of 10 chunks", "chunks/s (range)", "us of the client", "us of the server")
        return table(head, [("", spread(self.rates), spread(self.client_us, 1), spread(self.server_us, 1))])


def _storing(server: Server, vectors: Vectors, contents: Sequence[str], repeats: int) -> Storing:
    rates, client_us, server_us = [], [], []
    with Pergamum(f"http://127.0.0.1:{server.port}") as client:
        for turn in range(repeats + 1):
            library = client.libraries.create(name=f"{LIBRARY} {turn}", dimension=DIMENSION)
            server.settle()
            wall, own, others = time.perf_counter(), time.process_time(), server.cpu_seconds()
            stored = library.documents.add_many(_documents(vectors, contents))
            spent = time.perf_counter() - wall
            assert stored.created == -(-len(vectors) // CHUNKS_A_DOCUMENT), stored
            if turn:  # the first one warms up
                rates.append(len(vectors) / spent)
                client_us.append(1e6 * (time.process_time() - own) / len(vectors))
                server_us.append(1e6 * (server.cpu_seconds() - others) / len(vectors))
    return Storing(rates, client_us, server_us)


def _store(server: Server, vectors: Vectors, contents: Sequence[str]) -> None:
    with Pergamum(f"http://127.0.0.1:{server.port}") as client:
        client.libraries.create(name=LIBRARY, dimension=DIMENSION).documents.add_many(_documents(vectors, contents))


def _documents(vectors: Vectors, contents: Sequence[str]) -> Iterator[NewDocument]:
    """Yield documents of CHUNKS_A_DOCUMENT chunks with their vectors as arrays."""
    for first in range(0, len(vectors), CHUNKS_A_DOCUMENT):
        places = range(first, min(first + CHUNKS_A_DOCUMENT, len(vectors)))
        chunks: list[ChunkOfDocument] = [
            {"id": f"c{place}", "text": contents[place], "embedding": vectors[place]} for place in places
        ]
        yield {"id": f"d{first}", "chunks": chunks}


# Many searches at once


@dataclass(frozen=True, slots=True)
class Flight:
    """Costs of a search in each repeat."""

    bare: Sequence[Cost]
    sdk: Sequence[Cost]

    def shares(self) -> list[float]:
        """Return the SDK's rate as a share of the bare loop's, in each repeat."""
        return [bare.wall / sdk.wall for bare, sdk in zip(self.bare, self.sdk, strict=True)]

    def shown(self) -> str:
        """Return the table."""
        head = (f"{FLIGHT} searches at once", "searches/s (range)", "us of this process's processor time")
        rows = [
            (name, spread([1 / cost.wall for cost in costs]), spread([1e6 * cost.cpu for cost in costs]))
            for name, costs in (("bare httpx.AsyncClient", self.bare), ("SDK", self.sdk))
        ]
        return table(head, rows)


async def _flying(server: Server, vectors: Vectors, number: int, repeats: int) -> Flight:
    url = f"http://127.0.0.1:{server.port}"
    bodies = [_body(vector) for vector in vectors]
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
    bare_costs, sdk_costs = [], []
    async with AsyncPergamum(url) as client, httpx.AsyncClient(base_url=url, limits=limits, timeout=60.0) as http:
        library = client.library(LIBRARY)

        async def bare(place: int) -> object:
            answer = await http.post(SEARCHED, content=bodies[place % len(bodies)], headers=JSON)
            return answer.content

        async def sdk(place: int) -> object:
            return await library.search(vector=vectors[place % len(vectors)], k=K)

        await _rounds(bare, sdk, ROUND)
        for _ in range(repeats):
            one, other = await _rounds(bare, sdk, number)
            bare_costs.append(one)
            sdk_costs.append(other)
    return Flight(bare_costs, sdk_costs)


def _body(vector: Vectors) -> bytes:
    """Return the bytes that the SDK sends."""
    return orjson.dumps({"vector": base64.b64encode(vector.tobytes()).decode(), "k": K})


async def _rounds(first: Flown, second: Flown, number: int) -> tuple[Cost, Cost]:
    """Return what a call of each costs, FLIGHT at a time, ROUND of the one and ROUND of the other in turns."""
    spent = [Cost(0.0, 0.0), Cost(0.0, 0.0)]
    for begin in range(0, number, ROUND):
        for which, call in enumerate((first, second)):
            wall, cpu = time.perf_counter(), time.process_time()
            await _round(call, range(begin, begin + ROUND))
            before = spent[which]
            spent[which] = Cost(before.wall + time.perf_counter() - wall, before.cpu + time.process_time() - cpu)
    done = -(-number // ROUND) * ROUND
    one, other = (Cost(cost.wall / done, cost.cpu / done) for cost in spent)
    return one, other


async def _round(call: Flown, numbers: Iterable[int]) -> None:
    places = iter(numbers)

    async def one_after_the_other() -> None:
        for place in places:
            await call(place)

    await asyncio.gather(*(one_after_the_other() for _ in range(FLIGHT)))


# Memory


def _memory(items: int) -> str:
    """Return what storing so many items took, beside what a thousandth of them took before."""

    def answer(request: httpx.Request) -> httpx.Response:
        number = request.content.count(b'"id"')
        return httpx.Response(200, content=b'{"items":[],"created":%d,"replaced":0,"position":1}' % number)

    def add(number: int) -> Stored:
        rows: Iterator[NewDocument] = ({"id": f"document {place}", "title": "t" * 30} for place in range(number))
        return library.documents.add_many(rows)

    http = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://simulated")
    library = Pergamum(http=http).library(LIBRARY)
    add(max(items // 1_000, 10_000))
    before, began = _peak_mb(), time.perf_counter()
    stored = add(items)
    spent = time.perf_counter() - began
    return (
        f"{stored.created:,} items in {spent:,.0f} s ({items / spent:,.0f} items/s): the process took at most "
        f"{_peak_mb():,.1f} MB, {_peak_mb() - before:,.1f} MB more than for a thousandth of them"
    )


def _peak_mb() -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


# What is aimed at


def _aims(searched: Searches, stored: Storing, flown: Flight) -> str:
    overhead, rate, share = median(searched.overhead_us()), median(stored.rates), median(flown.shares())
    rows = [
        _aim("a search by the SDK, more than by bare httpx and orjson, us", overhead <= MOST_OVERHEAD_US),
        _aim("chunks/s of 256-d vectors by add_many, server included", rate >= LEAST_CHUNKS),
        _aim(f"searches/s of the async SDK, {FLIGHT} at once, of a bare loop's", share >= LEAST_SHARE),
    ]
    aimed = (f"at most {MOST_OVERHEAD_US}", f"at least {LEAST_CHUNKS:,}", f"at least {LEAST_SHARE}")
    reached = (spread(searched.overhead_us()), spread(stored.rates), spread(flown.shares(), 2))
    lines = [(what, aim, got, met) for (what, met), aim, got in zip(rows, aimed, reached, strict=True)]
    return table(("what", "aimed at", "reached (range)", ""), lines)


def _aim(what: str, met: bool) -> tuple[str, str]:
    return what, "met" if met else "**missed**"


def _memory_of_its_own(items: int) -> str:
    """Return what `_memory` says in a process that has done nothing else."""
    command = [sys.executable, "-m", "benchmarks.sdk", "--memory", str(items)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _report(about: str, said: str, memory: str) -> str:
    quoted = "".join(f"    {line}\n" for line in about.strip().splitlines())
    return (
        f"# The Python SDK\n\nWritten by `python -m benchmarks.sdk --report`; its docstring says how it is measured.\n"
        f"\n{quoted}\n{said}\n\nMemory of `add_many`: {memory}.\n"
    )


if __name__ == "__main__":
    main()

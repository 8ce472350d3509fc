"""Where the processor time of a search over REST goes, but for sockets: by leaving out one part after the other.

    python -m benchmarks.rest_search --sentences ../shared/data --chunks 100000 --index hnsw --filtered --data /tmp/kept
    python -m benchmarks.rest_profile --sentences ../shared/data --chunks 100000 --data /tmp/kept

The app is called in this process, without uvicorn, with eight searches at a time, and the time of its thread is taken.
Then parts are replaced, from the kernel outwards, by what they answered once; what that saves is their share. A part
that is left out no longer empties the processor's caches, so its share includes what that costs the others.
"""

import argparse
import asyncio
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import uvloop
from fastapi import FastAPI
from starlette.types import Message, Scope

from benchmarks.harness import LIBRARY, environment, table
from benchmarks.rest_data import FILTERS, asked, sentences
from pergamum.api import search
from pergamum.api.search_threads import SearchThreads
from pergamum.app import build
from pergamum.engine.hit_rows import HitRows
from pergamum.index import kernel_cache
from pergamum.index.layered import LayeredIndex
from pergamum.services.search import SearchService
from pergamum.settings import Settings

PATH = f"/v1/libraries/{LIBRARY}/search"
TOGETHER = 8
QUERIES = 60 * TOGETHER
PARTS = {
    "the index: kernel and its call": (LayeredIndex, "search"),
    "rows of the hits": (HitRows, "at"),
    "the service and engine around them": (SearchService, "_each"),
    "a turn of the event loop, JSON of the answer": (SearchThreads, "search"),
    "the body: JSON, base64, the model": (search, "parsed"),
}
"""What is left out, in this order, and the function that is replaced."""


def main() -> None:
    """Measure and print."""
    options = _options()
    print(environment())
    queries = sentences(options.sentences, options.chunks, QUERIES).queries
    bodies = [asked(query, options.written, FILTERS[options.filter]) for query in queries]
    uvloop.run(_report(options, bodies))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=Path, required=True)
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--filter", choices=FILTERS, default="all")
    parser.add_argument("--written", choices=("numbers", "base64"), default="base64")
    parser.add_argument("--repeats", type=int, default=5)
    return parser.parse_args()


async def _report(options: argparse.Namespace, bodies: Sequence[bytes]) -> None:
    app = build(Settings(data_dir=options.data, log_level="warning", live_recall_share=0))
    async with app.router.lifespan_context(app):
        kernel_cache.prepare()
        await _microseconds(app, bodies)  # what filters need is loaded, and the rows of hits are kept
        gc.freeze()
        spent = [await _spent(app, bodies, count, options.repeats) for count in range(len(PARTS) + 1)]
    rows = [[name, f"{before - after:.0f}"] for name, before, after in zip(PARTS, spent, spent[1:], strict=False)]
    rows += [["Starlette, middleware, figures", f"{spent[-1]:.0f}"], ["all of it", f"{spent[0]:.0f}"]]
    print(table(["part of a request", "CPU us"], rows))


async def _spent(app: FastAPI, bodies: Sequence[bytes], left_out: int, repeats: int) -> float:
    """Return the microseconds a request without the first parts."""
    with ExitStack() as stack:
        for owner, name in list(PARTS.values())[:left_out]:
            stack.enter_context(_answered_once(owner, name))
        await _microseconds(app, bodies[: 4 * TOGETHER])
        return median([await _microseconds(app, bodies) for _ in range(repeats)])


@contextmanager
def _answered_once(owner: object, name: str) -> Iterator[None]:
    """Let the function answer as it did when it was called first: all calls ask for as much."""
    real: Callable[..., Any] = getattr(owner, name)
    known: list[object] = []

    def answered(*given: object, **options: object) -> object:
        if not known:
            known.append(real(*given, **options))
        return known[0]

    async def answered_later(*given: object) -> object:
        if not known:
            known.append(await real(*given))
        return known[0]

    with patch.object(owner, name, answered_later if asyncio.iscoroutinefunction(real) else answered):
        yield


async def _microseconds(app: FastAPI, bodies: Sequence[bytes]) -> float:
    started = time.thread_time()
    for first in range(0, len(bodies), TOGETHER):
        await asyncio.gather(*(_call(app, body) for body in bodies[first : first + TOGETHER]))
    return (time.thread_time() - started) / len(bodies) * 1e6


async def _call(app: FastAPI, body: bytes) -> None:
    """Call the app as uvicorn does."""
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": PATH,
        "raw_path": PATH.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    if sent[0]["status"] != 200:
        raise SystemExit(f"a search failed: {sent}")


if __name__ == "__main__":
    main()

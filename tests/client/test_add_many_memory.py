"""Storing needs no more memory for more items: benchmarks/sdk.py does the same with ten million."""

import asyncio
import gc
import tracemalloc
import weakref
from collections.abc import Callable, Iterator

import httpx
import pytest

from pergamum.client import AsyncPergamum, Pergamum, Stored
from pergamum.client.batching import MOST_FAILED
from pergamum.client.drafts import NewDocument

ITEMS = 40_000
WARM = 10_000
BOUND = 300_000
"""Ten bytes an item: a small part of its JSON."""
OURS = [
    tracemalloc.Filter(True, pattern)
    for pattern in ("*/pergamum/client/*", "*/httpx/*", "*/json/*", "*/asyncio/*", "*/concurrent/*", __file__)
]
"""Where it is allocated. Other tests have left a server in this process, which allocates when it likes."""


def answer(request: httpx.Request) -> httpx.Response:
    """Store nothing, at once."""
    number = request.content.count(b'"id"')
    return httpx.Response(200, content=b'{"items":[],"created":%d,"replaced":0,"position":1}' % number)


def documents(number: int, wrong: int = 0, seen: Callable[[int], None] = lambda _: None) -> Iterator[NewDocument]:
    """Yield documents; the first so many cannot be written. `seen` hears of each place."""
    for place in range(number):
        seen(place)
        yield {"id": f"document {place}", "title": "t" * 30, "metadata": {"x": float("nan") if place < wrong else 1.0}}


def stored_by_sync(rows: Iterator[NewDocument]) -> Stored:
    http = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://simulated")
    with Pergamum(http=http) as client:
        adding = client.library("x").documents.add_many
        return adding(rows, batch_size=100, concurrency=2, on_error="collect")


def stored_by_async(rows: Iterator[NewDocument]) -> Stored:
    async def run() -> Stored:
        http = httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://simulated")
        async with AsyncPergamum(http=http) as client:
            adding = client.library("x").documents.add_many
            return await adding(rows, batch_size=100, concurrency=2, on_error="collect")

    return asyncio.run(run())


@pytest.mark.parametrize("add", [stored_by_sync, stored_by_async])
def test_memory_does_not_grow_with_the_items(add: Callable[[Iterator[NewDocument]], Stored]) -> None:
    sizes: list[int] = []

    def weigh(place: int) -> None:
        if place in {WARM, ITEMS - 1}:
            traces = tracemalloc.take_snapshot().filter_traces(OURS).traces
            sizes.append(sum(trace.size for trace in traces))

    tracemalloc.start()
    stored = add(documents(ITEMS, seen=weigh))
    tracemalloc.stop()

    early, late = sizes
    assert stored.created == ITEMS
    assert late - early < BOUND


def test_of_failures_only_so_many_are_kept() -> None:
    stored = stored_by_sync(documents(MOST_FAILED + 500, MOST_FAILED + 400))

    assert (stored.refused, len(stored.failed), stored.created) == (MOST_FAILED + 400, MOST_FAILED, 100)
    assert stored.done == MOST_FAILED + 500


def test_a_request_that_was_answered_is_gone_at_once() -> None:
    """Its body may be large, and the collector of cycles comes when it likes."""
    http = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://simulated")
    library = Pergamum(http=http).library("x")
    gc.collect()
    gc.disable()

    sent = [weakref.ref(request) for request in _sent_by(library.documents.add_many, http)]

    left = [request for request in sent if request() is not None]
    gc.enable()
    assert len(sent) == 2
    assert left == []


def _sent_by(add: Callable[..., Stored], http: httpx.Client) -> Iterator[httpx.Request]:
    seen: list[httpx.Request] = []
    http.event_hooks["request"].append(seen.append)
    add(documents(20), batch_size=10)
    while seen:
        yield seen.pop()

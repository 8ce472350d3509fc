"""Where the things to store come from, how far storing them is, and who gives it up."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence

import httpx
import numpy as np
import pytest

from pergamum.client import AsyncPergamum, Stored
from tests.support.simulated_server import Json, Server, documents, library


def test_async_iterables_and_tables_are_taken() -> None:
    server = Server()

    async def source() -> AsyncIterator[Json]:
        for document in documents(30):
            yield document

    async def stored() -> Sequence[Stored]:
        http = httpx.AsyncClient(transport=httpx.MockTransport(server.answer), base_url="http://simulated")
        async with AsyncPergamum(http=http) as client:
            adding = client.library("books").documents.add_many
            columns = {"id": ["t1", "t2"], "vector": np.ones((2, 3), np.float32)}
            return [await adding(source(), batch_size=7), await adding(columns)]

    first, second = asyncio.run(stored())

    assert (first.created, second.created) == (30, 2)
    assert server.stored["t2"]["chunks"][0]["embedding"] == "AACAPwAAgD8AAIA/"


def test_other_tasks_have_their_turn_while_rows_are_read() -> None:
    server, turns = Server(), 0

    async def ticking() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def run() -> None:
        http = httpx.AsyncClient(transport=httpx.MockTransport(server.answer), base_url="http://simulated")
        async with AsyncPergamum(http=http) as client:
            other = asyncio.create_task(ticking())
            await client.library("books").documents.add_many(documents(20_000), batch_size=20_000)
            other.cancel()

    asyncio.run(run())

    assert turns > 5


def test_what_is_no_row_is_named() -> None:
    async def source() -> AsyncIterator[Json]:
        yield {"id": "a"}
        yield "b"

    async def run() -> None:
        http = httpx.AsyncClient(transport=httpx.MockTransport(Server().answer), base_url="http://simulated")
        await AsyncPergamum(http=http).library("books").documents.add_many(source())

    with pytest.raises(TypeError, match="received a str"):
        asyncio.run(run())


def test_who_gives_up_leaves_nothing_under_way() -> None:
    async def run() -> set[str]:
        arrived = asyncio.Event()

        async def never(_: httpx.Request) -> httpx.Response:
            arrived.set()
            await asyncio.Event().wait()
            raise AssertionError

        http = httpx.AsyncClient(transport=httpx.MockTransport(never), base_url="http://simulated", timeout=None)
        adding = asyncio.create_task(AsyncPergamum(http=http).library("books").documents.add_many(documents(500)))
        await arrived.wait()
        adding.cancel()
        await asyncio.wait([adding])
        assert adding.cancelled()
        return {task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()}}

    assert asyncio.run(run()) == set()


@pytest.mark.parametrize(
    ("source", "total"),
    [(documents(30), "30/30"), (iter(documents(30)), "30 documents"), ({"id": ["a"]}, "1 documents")],
)
def test_a_bar_shows_how_far_it_is(source: Json, total: str, capsys: pytest.CaptureFixture[str]) -> None:
    library(Server()).documents.add_many(source, progress=True)

    assert total in capsys.readouterr().err


def test_without_tqdm_a_bar_is_refused_before_anything_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    server = Server()

    with pytest.raises(ImportError, match=r"pergamum\[progress\]"):
        library(server).documents.add_many(documents(3), progress=True)

    assert library(server).documents.add_many(documents(3)).created == 3
    assert len(server.batches) == 1

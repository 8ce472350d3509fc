"""Searches that do not run in the event loop: they share scans, and each gets its own answer."""

import asyncio
import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pergamum.api.search_threads import MOST_IN_LOOP, SearchThreads
from pergamum.domain.query import Answer
from pergamum.errors import InvalidField, LibraryNotFound, Overloaded
from pergamum.services.drafts import Query
from pergamum.services.search import Found
from tests.api.conftest import assert_problem, chunk, put, serving


class Scans:
    """Answers a query for k hits with position k; a k below zero is at fault. The first scan waits for `go`."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.seen: list[list[int]] = []

    def __call__(self, reference: str, queries: Sequence[Query]) -> list[Found]:
        if reference == "missing":
            raise LibraryNotFound(reference)
        self.seen.append([query.k for query in queries])
        self.begun.set()
        self.go.wait()
        return [
            Answer((), exact=True, expected_recall=1.0, complete=True, position=query.k, plan="")
            if query.k >= 0
            else InvalidField("k", "below zero")
            for query in queries
        ]


def long(_reference: str, queries: Sequence[Query]) -> list[Found | None]:
    return [None] * len(queries)


def query(k: int) -> Query:
    return Query(vector=np.zeros(2, np.float32), k=k)


async def begin(threads: SearchThreads, scans: Scans, ks: Sequence[int]) -> list["asyncio.Task[bytes]"]:
    """Ask for each k in turn, all but the first while the scan of the first is under way."""
    tasks = []
    for k in ks:
        tasks.append(asyncio.create_task(threads.search("library", query(k))))
        await asyncio.sleep(0.01)  # it is looked at, and goes to a thread
        await asyncio.to_thread(scans.begun.wait)
    return tasks


def test_what_arrives_during_a_scan_shares_the_next() -> None:
    scans = Scans()

    async def scenario() -> list[int]:
        threads = SearchThreads(long, scans, threads=2, waiting=10)
        tasks = await begin(threads, scans, [1, 2, 3, 4])
        scans.go.set()
        answers = [json.loads(await task)["position"] for task in tasks]
        threads.close()
        return answers

    assert asyncio.run(scenario()) == [1, 2, 3, 4]
    assert scans.seen == [[1], [2, 3, 4]]


def test_a_fault_or_a_client_that_left_concerns_nobody_else() -> None:
    scans = Scans()

    async def scenario() -> list[object]:
        threads = SearchThreads(long, scans, threads=1, waiting=10)
        tasks = await begin(threads, scans, [1, -1, 3, 4])
        tasks[2].cancel()
        scans.go.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        threads.close()
        return [type(answer) for answer in answers]

    assert asyncio.run(scenario()) == [bytes, InvalidField, asyncio.CancelledError, bytes]


def test_each_of_a_failed_scan_gets_an_error_of_its_own() -> None:
    async def scenario() -> list[BaseException]:
        threads = SearchThreads(long, Scans(), threads=1, waiting=10)
        tasks = [asyncio.create_task(threads.search("missing", query(1))) for _ in range(3)]
        errors = await asyncio.gather(*tasks, return_exceptions=True)
        threads.close()
        return [error for error in errors if isinstance(error, BaseException)]

    errors = asyncio.run(scenario())

    assert [str(error) for error in errors] == ["no library 'missing'"] * 3
    assert len({id(error) for error in errors}) == 3
    assert all(isinstance(error, LibraryNotFound) and error.facts == {"library": "missing"} for error in errors)


def test_more_than_may_wait_are_sent_away() -> None:
    scans = Scans()

    async def scenario() -> None:
        threads = SearchThreads(long, scans, threads=1, waiting=1)
        tasks = await begin(threads, scans, [1, 2])
        with pytest.raises(Overloaded):
            await threads.search("library", query(3))
        scans.go.set()
        await asyncio.gather(*tasks)
        threads.close()

    asyncio.run(scenario())


def test_what_arrives_in_one_turn_of_the_loop_shares_a_scan_and_each_gets_its_own_answer() -> None:
    scans = Scans()
    scans.go.set()

    async def scenario() -> list[object]:
        threads = SearchThreads(scans, scans, threads=1, waiting=1)
        asked = [threads.search("library", query(k)) for k in (3, -1, 5)]
        found = await asyncio.gather(*asked, threads.search("missing", query(1)), return_exceptions=True)
        threads.close()
        return list(found)

    first, faulty, last, missing = asyncio.run(scenario())

    assert scans.seen == [[3, -1, 5]]
    positions = [json.loads(answer)["position"] for answer in (first, last) if isinstance(answer, bytes)]
    assert positions == [3, 5]
    assert isinstance(faulty, InvalidField)
    assert isinstance(missing, LibraryNotFound)


def test_what_takes_long_goes_to_threads_and_the_rest_of_its_turn_does_not() -> None:
    scans, in_loop = Scans(), Scans()
    scans.go.set()
    in_loop.go.set()

    def short(reference: str, queries: Sequence[Query]) -> list[Found | None]:
        return [None if one.k > 9 else found for one, found in zip(queries, in_loop(reference, queries), strict=True)]

    async def scenario() -> list[int]:
        threads = SearchThreads(short, scans, threads=1, waiting=1)
        answers = await asyncio.gather(*(threads.search("library", query(k)) for k in (3, 30, 5)))
        threads.close()
        return [json.loads(answer)["position"] for answer in answers]

    assert asyncio.run(scenario()) == [3, 30, 5]
    assert in_loop.seen == [[3, 30, 5]]
    assert scans.seen == [[30]]


def test_one_turn_of_the_loop_has_room_for_a_few_searches_only() -> None:
    scans, in_loop = Scans(), Scans()
    scans.go.set()
    in_loop.go.set()

    async def scenario() -> None:
        threads = SearchThreads(in_loop, scans, threads=1, waiting=1)
        await asyncio.gather(*(threads.search("library", query(k)) for k in range(MOST_IN_LOOP + 1)))
        threads.close()

    asyncio.run(scenario())

    assert in_loop.seen == [list(range(MOST_IN_LOOP))]
    assert scans.seen == [[MOST_IN_LOOP]]


def test_concurrent_searches_through_threads_answer_as_those_in_the_loop(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    queries = [{"vector": generator.standard_normal(4).tolist(), "k": 1 + n % 3} for n in range(40)]
    with serving(tmp_path / "data", inline_search_ms=100) as client:
        client.post("/v1/libraries", json={"name": "x", "dimension": 4})
        put(client, "/v1/libraries/x", "d", *(chunk(str(n), *generator.standard_normal(4)) for n in range(99)))
        expected = [client.post("/v1/libraries/x/search", json=query).json() for query in queries]

    with serving(tmp_path / "data", inline_search_ms=0) as client, ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda query: client.post("/v1/libraries/x/search", json=query).json(), queries)

        assert list(found) == expected
        wrong = client.post("/v1/libraries/x/search", json={"vector": [1, 2]})
        assert_problem(wrong, 422, "dimension-mismatch")
        assert_problem(client.post("/v1/libraries/y/search", json=queries[0]), 404, "library-not-found")

"""Searches of one library share scans, as writes share flushes: eight queries take about four times as long as one.

Every search is first looked at in the event loop, those together that came in the same turn of it, and the short ones
are answered there. Long ones go to threads: what arrives while a scan is under way waits for it and is answered by the
next one. While the kernels scan they hold no lock, so the event loop reads the next requests meanwhile.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple, TypeAlias, TypeVar

from pydantic_core import to_json

from pergamum.api.search_answers import search_out
from pergamum.domain.query import Answer
from pergamum.engine.elsewhere import Elsewhere
from pergamum.errors import Overloaded, PergamumError
from pergamum.services.drafts import Query
from pergamum.services.search import Found

MOST_AT_ONCE: Final = 64
MOST_IN_LOOP: Final = 8

Result = TypeVar("Result")
Encoded: TypeAlias = bytes | BaseException | None
SearchShort: TypeAlias = Callable[[str, Sequence[Query]], Sequence[Found | None]]
"""`SearchService.search_short`: None for what takes long."""
SearchEach: TypeAlias = Callable[[str, Sequence[Query]], Sequence[Found]]
"""`SearchService.search_each`."""


class _Ticket(NamedTuple):
    query: Query
    settled: "asyncio.Future[bytes | None]"


class SearchThreads:
    """A bounded number of searches at once and a bounded number waiting. Used from the event loop only."""

    def __init__(self, search_short: SearchShort, search_each: SearchEach, threads: int, waiting: int) -> None:
        self._search_short, self._search_each = search_short, search_each
        self._limit, self._under_way = threads + waiting, 0
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="search")
        self._this_turn: dict[str, list[_Ticket]] = {}
        self._queues: dict[str, list[_Ticket]] = {}

    async def run(self, work: Callable[[], Result]) -> Result:
        """Return what `work` returns. Raises `Overloaded`."""
        with self:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def search(self, reference: str, query: Query) -> bytes:
        """Return the answer as JSON. Raises what `SearchService.search` raises, and `Overloaded`.

        REQUIRES: a query by vector whose options are PLAIN.
        """
        answer = None
        if len(self._this_turn.get(reference, ())) < MOST_IN_LOOP:
            answer = await self._in_loop(reference, query)
        return await self._in_thread(reference, query) if answer is None else answer

    def close(self) -> None:
        """Finish what is under way."""
        self._pool.shutdown(wait=True)

    def __enter__(self) -> None:
        if self._under_way >= self._limit:
            raise Overloaded("searches", self._limit)
        self._under_way += 1

    def __exit__(self, *_exc: object) -> None:
        self._under_way -= 1

    async def _in_loop(self, reference: str, query: Query) -> bytes | None:
        """Let the next turn of the event loop answer all that this one asks; return None for what takes long."""
        loop = asyncio.get_running_loop()
        if not self._this_turn:
            loop.call_soon(self._answer_turn)
        ticket = _Ticket(query, loop.create_future())
        self._this_turn.setdefault(reference, []).append(ticket)
        return await ticket.settled

    def _answer_turn(self) -> None:
        turn, self._this_turn = self._this_turn, {}
        for reference, batch in turn.items():
            _hand_out(batch, _results(self._search_short, reference, batch))

    async def _in_thread(self, reference: str, query: Query) -> bytes:
        with self:
            ticket = _Ticket(query, asyncio.get_running_loop().create_future())
            queue = self._queues.get(reference)
            if queue is not None:  # a scan is under way
                queue.append(ticket)
            else:
                self._queues[reference] = []
                self._start(reference, [ticket])
            answer = await ticket.settled
        assert answer is not None, "in threads searches may take long"
        return answer

    def _start(self, reference: str, batch: list[_Ticket]) -> None:
        self._pool.submit(self._scan, asyncio.get_running_loop(), reference, batch)

    def _scan(self, loop: asyncio.AbstractEventLoop, reference: str, batch: list[_Ticket]) -> None:
        """Answer the batch. Runs in a search thread."""
        results = _results(self._search_each, reference, batch)
        loop.call_soon_threadsafe(self._settle, reference, batch, results)

    def _settle(self, reference: str, batch: list[_Ticket], results: Sequence[Encoded]) -> None:
        _hand_out(batch, results)
        queue = self._queues[reference]
        if not queue:
            del self._queues[reference]
            return
        self._queues[reference] = queue[MOST_AT_ONCE:]
        self._start(reference, queue[:MOST_AT_ONCE])


def _results(search: SearchShort, reference: str, batch: Sequence[_Ticket]) -> Sequence[Encoded]:
    try:
        found = search(reference, [ticket.query for ticket in batch])
        return [to_json(search_out(one)) if isinstance(one, Answer) else one for one in found]
    except BaseException as error:  # noqa: BLE001  # each request raises it where it is answered
        return [_own(error) for _ in batch]


def _hand_out(batch: Sequence[_Ticket], results: Sequence[Encoded]) -> None:
    for ticket, result in zip(batch, results, strict=True):
        if ticket.settled.done():  # its client has gone
            continue
        if isinstance(result, BaseException):
            ticket.settled.set_exception(result)
        else:
            ticket.settled.set_result(result)


def _own(error: BaseException) -> BaseException:
    """Return the error for one more request: raising one object in several tasks would mix up their tracebacks."""
    if isinstance(error, Elsewhere):
        return Elsewhere(error.library_id)
    if not isinstance(error, PergamumError):
        return RuntimeError(f"the search failed: {error!r}")
    own = PergamumError.__new__(type(error), *error.args)
    own.args, own.facts = error.args, error.facts
    return own

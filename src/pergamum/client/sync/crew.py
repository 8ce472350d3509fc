"""Jobs at the same time, in threads; and things read one after the other, whatever they come from."""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Generic, Self, TypeAlias, TypeVar

from pergamum.client.tables import Noun, Rows, rows_of

T = TypeVar("T")
Source: TypeAlias = Rows
"""Dictionaries, one after the other, or a table."""
MOST_THREADS = 1_000


class Crew(Generic[T]):
    """Jobs under way. Leaving the block does not wait for those that are not waited for: a thread cannot be ended."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="pergamum")  # made one by one, when needed
        self._futures: set[Future[T]] = set()

    @property
    def busy(self) -> bool:
        """Whether a job is under way that was not waited for."""
        return bool(self._futures)

    def begin(self, job: Callable[[], T]) -> None:
        """Begin a job."""
        self._futures.add(self._threads.submit(job))

    def ended(self) -> list[T]:
        """Return what the jobs returned that have ended since, when at least one has. REQUIRES: one is under way."""
        done, self._futures = wait(self._futures, return_when=FIRST_COMPLETED)
        return [future.result() for future in done]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._threads.shutdown(wait=not self._futures, cancel_futures=True)


def rows(source: Source, noun: Noun) -> Iterator[Any]:
    """Yield the rows of the source, in order."""
    return rows_of(source, noun)

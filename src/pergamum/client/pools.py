"""Which of some pools of connections sends a request."""

import threading
from collections.abc import Sequence
from typing import Any, Final, Generic, TypeVar

import httpx

Http = TypeVar("Http", bound=httpx.Client | httpx.AsyncClient)
POOLS: Final = 10
LIMITS: Final = httpx.Limits(max_connections=10, max_keepalive_connections=10, keepalive_expiry=30.0)
"""Of each pool: a hundred requests may be under way at once; their connections are kept for the next ones."""


class Pool(Generic[Http]):
    """A pool, and how many requests are under way in it."""

    __slots__ = ("http", "under_way")

    def __init__(self, http: Http) -> None:
        self.http, self.under_way = http, 0


class Pools(Generic[Http]):
    """Some pools. Threads: may be shared."""

    def __init__(self, pools: Sequence[Http]) -> None:
        self.all = pools
        self._pools = [Pool(http) for http in pools]
        self._lock = threading.Lock()

    def taken(self) -> Pool[Http]:
        """Return the first of those with the fewest requests under way: one after the other share a connection."""
        with self._lock:
            pool = min(self._pools, key=_under_way)
            pool.under_way += 1
            return pool

    def give_back(self, pool: Pool[Http]) -> None:
        """Note that a request has ended."""
        with self._lock:
            pool.under_way -= 1


def _under_way(pool: Pool[Any]) -> int:
    return pool.under_way

"""What filters came to, kept while there is room: bounded by bytes, read without a lock."""

import threading
from collections.abc import Hashable
from dataclasses import dataclass
from itertools import count
from typing import Final, cast

from pergamum.domain.filters import And, CheckedFilter, Not, Or

_LEAST_BYTES: Final = 448
"""What an entry takes beside what it holds: measured 435, of which 113 are the array that holds it."""


@dataclass(slots=True, eq=False)
class _Entry:
    value: object
    size: int
    used: int


class ResultCache:
    """Threads: any. Readers never wait: two that miss at the same time both make the value, and the last one stays.

    When it is full the quarter that was not used for longest goes.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._bytes = limit, 0
        self._entries: dict[Hashable, _Entry] = {}
        self._clock, self._numbers, self._lock = count(), count(), threading.Lock()

    def get(self, key: Hashable) -> object | None:
        """Return what was put under the key, None when it is gone or never was. The caller knows its type."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        entry.used = next(self._clock)
        return entry.value

    def put(self, key: Hashable, value: object, size: int) -> None:
        """Keep the value of `size` bytes, if that is not too much by itself."""
        size += _LEAST_BYTES
        if size > self._limit // 2:
            return
        with self._lock:
            older = self._entries.get(key)
            self._entries[key] = _Entry(value, size, next(self._clock))
            self._bytes += size - (0 if older is None else older.size)
            if self._bytes > self._limit:
                self._make_room()

    def number(self, checked: CheckedFilter) -> int:
        """Return a number that equal filters share, so that what they came to is found without comparing them again."""
        known = cast("int | None", self.get(checked))
        if known is None:
            known = next(self._numbers)
            self.put(checked, known, _weight(checked))
        return known

    def _make_room(self) -> None:
        oldest = sorted(self._entries.items(), key=lambda item: item[1].used)
        for key, entry in oldest:
            if self._bytes <= self._limit * 3 // 4:
                return
            del self._entries[key]
            self._bytes -= entry.size


def _weight(checked: CheckedFilter) -> int:
    """Return about how many bytes a filter takes."""
    if isinstance(checked, And | Or):
        return 64 + sum(map(_weight, checked.parts))
    if isinstance(checked, Not):
        return 64 + _weight(checked.part)
    return 256 + (100 * len(checked.value) if isinstance(checked.value, tuple | str) else 0)


RESULTS: Final = ResultCache(128 << 20)
"""One for the process: thousands of libraries may be open, and few are filtered at the same time."""

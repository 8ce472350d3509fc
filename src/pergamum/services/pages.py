"""Pages of answers that were ranked once: what a client leafs through stays as it was, whatever is written."""

import secrets
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID

from pergamum.domain.query import Answer, Group, Hit
from pergamum.errors import CursorExpired, TooLarge

HIT_BYTES = 2_000
"""What the objects of a hit take beside its text, metadata and vector; on the high side."""


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """A whole answer of a library, `k` hits or documents of it a page."""

    library: UUID
    answer: Answer
    k: int
    bytes: int
    last_used: float


class Pages:
    """Threads: any. Keeps at most `max_bytes` of answers, those used last, each for `seconds` after its last use."""

    def __init__(self, max_bytes: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes, self._seconds, self._clock = max_bytes, seconds, clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._bytes = 0

    def first(self, library: UUID, answer: Answer, k: int) -> Answer:
        """Return the first page; the answer is kept if there are more. Raises `TooLarge`."""
        if _length(answer) <= k:
            return replace(answer, paged=True)
        kept = _Kept(library, replace(answer, explanation=None), k, _bytes_of(answer), self._clock())
        if kept.bytes > self._max_bytes:
            raise TooLarge("the answer to page through", self._max_bytes)
        token = secrets.token_urlsafe(12)
        with self._lock:
            self._kept[token] = kept
            self._bytes += kept.bytes
            self._tidy()
        return replace(_page(kept, token, 0), explanation=answer.explanation)

    def next(self, library: UUID, page: str) -> Answer:
        """Return the page that `next_page` of the one before names. Raises `CursorExpired`."""
        token, _, start = page.rpartition(".")
        with self._lock:
            self._tidy()
            kept = self._kept.get(token)
            if kept is None or kept.library != library or not start.isdecimal():
                raise CursorExpired
            self._kept[token] = replace(kept, last_used=self._clock())
            self._kept.move_to_end(token)
        return _page(kept, token, int(start))

    def _tidy(self) -> None:
        """Forget what was not used for long, and what there is no room for, the least used first."""
        oldest = self._clock() - self._seconds
        while self._kept:
            token, kept = next(iter(self._kept.items()))
            if kept.last_used >= oldest and self._bytes <= self._max_bytes:
                return
            del self._kept[token]
            self._bytes -= kept.bytes


def part_of(answer: Answer, start: int, count: int) -> Answer:
    """Return the answer with `count` of its hits, or of its documents where they are grouped, from `start` on."""
    if answer.groups is None:
        return replace(answer, hits=answer.hits[start : start + count])
    groups = answer.groups[start : start + count]
    first = groups[0].first if groups else 0
    end = groups[-1].end if groups else 0
    moved = tuple(Group(group.document_id, group.first - first, group.end - first) for group in groups)
    return replace(answer, hits=answer.hits[first:end], groups=moved)


def _page(kept: _Kept, token: str, start: int) -> Answer:
    end = start + kept.k
    following = f"{token}.{end}" if end < _length(kept.answer) else None
    return replace(part_of(kept.answer, start, kept.k), paged=True, next_page=following)


def _length(answer: Answer) -> int:
    return len(answer.hits) if answer.groups is None else len(answer.groups)


def _bytes_of(answer: Answer) -> int:
    return sum(map(_bytes_of_hit, answer.hits))


def _bytes_of_hit(hit: Hit) -> int:
    known = HIT_BYTES + sys.getsizeof(hit.chunk.text) + 4 * len(repr(hit.chunk.metadata))
    details = hit.details
    if details is None:
        return known
    if details.vector is not None:
        known += details.vector.nbytes
    if details.document is not None:
        known += HIT_BYTES + 4 * len(repr(details.document.metadata))
    return known + 100 * len(details.highlights or ())

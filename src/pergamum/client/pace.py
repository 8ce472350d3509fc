"""How much to send at once, and how often at the same time: found out by trying, as TCP finds out about a network.

Source   AIMD and slow start: Jacobson, "Congestion Avoidance and Control", 1988; the width of the window from delays:
         Brakmo, O'Malley, Peterson, "TCP Vegas", 1994.
"""

import threading
from typing import Final, Literal, TypeAlias

Auto: TypeAlias = Literal["auto"]
FIRST_ITEMS: Final = 64
MOST_ITEMS: Final = 4_000
MOST_BYTES: Final = 8 << 20
FIRST_WIDTH: Final = 2.0
MOST_WIDTH: Final = 8
WELL_SECONDS: Final = 0.5
SLOW_SECONDS: Final = 2.0
STEPS: Final = 32
"""From nothing to the most in so many additive steps."""
FEW_QUEUED: Final = 1.0
MANY_QUEUED: Final = 3.0


class Pace:
    """The size of the next batch in items and bytes, and how many may be under way. Threads: may be shared.

    Auto: batches double from FIRST_ITEMS on while they are answered within WELL_SECONDS, then grow by steps; one
    slower than SLOW_SECONDS halves them. A number is the size to begin with and the greatest. Either way a batch too
    large for the server halves them, and they grow again by steps.
    Concurrency grows while batches do not wait for each other, and halves when the server puts a batch off: once for
    all that were under way then.
    """

    def __init__(self, batch_size: int | Auto = "auto", concurrency: int | Auto = "auto") -> None:
        self._timed = batch_size == "auto"
        self._most_items = MOST_ITEMS if batch_size == "auto" else batch_size
        self._most_width = MOST_WIDTH if concurrency == "auto" else concurrency
        self._items = float(FIRST_ITEMS if batch_size == "auto" else batch_size)
        self._bytes = float(MOST_BYTES)
        self._width = FIRST_WIDTH if concurrency == "auto" else float(concurrency)
        self._doubling, self._deaf = True, 0
        self._best = float("inf")
        self._lock = threading.Lock()

    @property
    def items(self) -> int:
        """Most items of a batch."""
        return int(self._items)

    @property
    def bytes(self) -> int:
        """Most bytes of a batch of several items."""
        return int(self._bytes)

    @property
    def concurrency(self) -> int:
        """Most batches under way."""
        return int(self._width)

    def answered(self, items: int, size: int, seconds: float) -> None:
        """Learn from a batch that was stored at the first attempt."""
        with self._lock:
            if self._timed and seconds > SLOW_SECONDS:
                self._shrink(items / 2, size / 2)
            elif items >= self.items or 2 * size > self._bytes:  # smaller ones say nothing of what is possible
                self._grow(seconds)
                self._widen(seconds / max(size, 1))

    def too_large(self, items: int, size: int) -> None:
        """Learn that the server does not take so much in one request."""
        with self._lock:
            self._shrink(items / 2, size / 2)

    def put_off(self) -> None:
        """Learn that the server, or the network, could not take a batch now."""
        with self._lock:
            if self._deaf:
                self._deaf -= 1
                return
            self._deaf = self.concurrency - 1
            self._width = max(1.0, self._width / 2)

    def _shrink(self, items: float, size: float) -> None:
        self._doubling = False
        self._items = max(1.0, min(self._items, items))
        self._bytes = max(1.0, min(self._bytes, size))

    def _grow(self, seconds: float) -> None:
        if self._timed and seconds > WELL_SECONDS:
            self._doubling = False
            return
        step = self._items if self._doubling else max(1.0, self._most_items / STEPS)
        self._items = min(float(self._most_items), self._items + step)
        self._bytes = min(float(MOST_BYTES), self._bytes + MOST_BYTES / STEPS)

    def _widen(self, seconds_a_byte: float) -> None:
        self._best = min(self._best, seconds_a_byte)
        queued = self._width * (1 - self._best / seconds_a_byte) if seconds_a_byte else 0.0
        if queued < FEW_QUEUED:
            self._width = min(float(self._most_width), self._width + 1 / self._width)
        elif queued > MANY_QUEUED:
            self._width = max(1.0, self._width - 1 / self._width)

"""How a child process comes to end with the one that started it, however that ends.

The parent holds one end of a pipe and never writes to it; the child reads the other end, which says nothing until the
parent is gone. The system closes a pipe of a process that was killed, too.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

ORPHANED: Final = 1
"""The exit code of a process whose parent has gone."""


@contextmanager
def lifeline() -> Iterator[int]:
    """The descriptor that a child is given as its standard input; it ends with the block, or with this process."""
    reading, writing = os.pipe()  # neither is inherited but as what the child is given it as
    try:
        yield reading
    finally:
        os.close(reading)
        os.close(writing)


def end_with(descriptor: int) -> None:
    """Let this process end at once when the descriptor does, from a thread of its own; returns at once."""
    threading.Thread(target=_wait, args=(descriptor,), name="lifeline", daemon=True).start()


def _wait(descriptor: int) -> None:
    while os.read(descriptor, 1):
        pass
    os._exit(ORPHANED)

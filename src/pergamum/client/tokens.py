"""Read your own writes: the positions that a client's writes reached go with what it reads afterwards."""

import threading
from collections import OrderedDict
from typing import Final

MIN_POSITION: Final = "pergamum-min-position"
TOKEN: Final = "pergamum-token"
MOST_LIBRARIES: Final = 16
"""Of the libraries written longest ago nothing is remembered beyond so many: the header has to stay short."""


class Tokens:
    """The last position written in each library, by this client. Threads: may be shared.

    A server that has not come as far yet, as a follower may be, waits before it answers.
    """

    def __init__(self) -> None:
        self._positions: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()
        self.header: str | None = None

    def note(self, token: str | None) -> None:
        """Remember the token of a write, `<library id>:<position>`; anything else is left alone."""
        library, _, position = (token or "").rpartition(":")
        if not library or not position.isdecimal():
            return
        with self._lock:
            self._positions[library] = max(int(position), self._positions.get(library, 0))
            self._positions.move_to_end(library)
            if len(self._positions) > MOST_LIBRARIES:
                self._positions.popitem(last=False)
            self.header = ",".join(f"{known}:{reached}" for known, reached in self._positions.items())

"""What is known of idempotency keys before anything is done under them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pergamum.domain.replies import KeptReply, Key
from pergamum.engine.catalog import Catalog
from pergamum.engine.preconditions import refuse_answered
from pergamum.errors import LibraryNotFound


@dataclass(slots=True, eq=False)
class _Gate:
    """Lets one request with a key through at a time; `users` are in it or before it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0


class ReplyService:
    """Threads: any. Changed under `_lock` only: _gates.

    For commands of a library, what is found here only saves work: the answer that counts is given in their order.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._lock = threading.Lock()
        self._gates: dict[str, _Gate] = {}

    def refuse_answered(self, key: Key, reference: str | None) -> None:
        """Raise `AnsweredBefore` where the request was carried out, `IdempotencyKeyReused` where another one was.

        `reference` names the library whose command the request is; None: it is none, and its reply is kept in the
        catalogue, as is a second copy of the reply to what gave a library another name.
        """
        refuse_answered(key, self._kept(key.name, reference), datetime.now(UTC))

    def spare_work(self, key: Key, reference: str | None) -> None:
        """Do the same where finding out only later would be dear, or too late: commands of libraries that embed."""
        if reference is None or self._embeds(reference):
            self.refuse_answered(key, reference)

    @contextmanager
    def one_at_a_time(self, key: Key) -> Iterator[None]:
        """Let no two requests with the key be in the block: the later finds what the earlier has left."""
        with self._lock:
            gate = self._gates.setdefault(key.name, _Gate())
            gate.users += 1
        try:
            with gate.lock:
                yield
        finally:
            with self._lock:
                gate.users -= 1
                if not gate.users:
                    del self._gates[key.name]

    def _embeds(self, reference: str) -> bool:
        try:
            with self._catalog.opened(self._catalog.resolve(reference)) as live:
                return live.view.state.library.embedding_model is not None
        except LibraryNotFound:  # it may have been called so until the first of these requests
            return True

    def _kept(self, name: str, reference: str | None) -> KeptReply | None:
        if reference is None:
            return self._catalog.reply(name)
        try:
            library_id = self._catalog.resolve(reference)
        except LibraryNotFound:
            return self._catalog.reply(name)
        with self._catalog.opened(library_id) as live, live.reading() as rows:
            return rows.reply(name)

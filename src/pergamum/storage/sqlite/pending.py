"""Where the new vectors of a group go, and how those of small groups get there with one flush instead of two.

A redo log inside SQLite (docs/decisions/0011-small-groups-flush-once.md): the vectors of a small group are written to
the vector file, where maps see them, and once more to the table `pending` in the group's own transaction. The flush
of the COMMIT makes the copy durable; the file is flushed later, for many groups at once, and the copies go.
"""

from contextlib import suppress
from typing import Final
from zlib import crc32

import apsw
import numpy as np

from pergamum.domain.vectors import Matrix
from pergamum.errors import StorageFull
from pergamum.storage.sqlite.codec import Row
from pergamum.storage.sqlite.connection import failure
from pergamum.storage.sqlite.writable_rows import SqliteWritableRows
from pergamum.storage.vectors import VectorFile

SMALL_GROUP_BYTES = 128 << 10
"""Above it, writing the vectors twice costs more than a second flush."""
MOST_VECTORS = 1_024
MOST_BYTES = 4 << 20
"""With so many copies, or bytes of them, dropping them is worth its flushes."""
_COPIES: Final = """
SELECT p.slot, p.vector, c.vector_crc FROM pending AS p LEFT JOIN chunks AS c ON c.slot = p.slot ORDER BY p.slot"""


class PendingVectors:
    """The vector file and the copies of what is not flushed there yet. Threads: the writer's.

    Invariant: each vector of a committed row is in `pending`, or was flushed in the vector file.
    """

    def __init__(self, writer: apsw.Connection, what: str, file: VectorFile) -> None:
        self._writer, self._what, self._file = writer, what, file
        self._vectors = self._bytes = 0  # at least what the table holds: a group that is undone counts too

    @property
    def many(self) -> bool:
        """Whether there are enough copies to be worth the flushes of `settle`."""
        return self._vectors >= MOST_VECTORS or self._bytes >= MOST_BYTES

    def store(self, rows: SqliteWritableRows, first_slot: int, vectors: Matrix) -> None:
        """See `UnitOfWork.store_vectors`; `rows` are those of the transaction."""
        self._file.create(vectors.shape[1])
        self._file.write(first_slot, vectors)
        if vectors.nbytes > SMALL_GROUP_BYTES:
            self._file.flush()
            return
        self._vectors, self._bytes = self._vectors + len(vectors), self._bytes + vectors.nbytes
        rows.put_pending(first_slot, vectors)

    def restore(self, next_slot: int) -> None:
        """Write into the file again what a crash may have kept from it, its growth included, and settle that.

        Its pages are dirty then, whatever became of an earlier flush. A copy goes back only if its chunk's row vouches
        for it: a dead slot needs none, and instead of a damaged one the file may hold the right bytes.
        """
        for slot, vector, checksum in self._run(_COPIES):
            self._vectors, self._bytes = self._vectors + 1, self._bytes + len(vector)
            self._file.make_room(min(slot + 1, next_slot))
            if crc32(vector) == checksum:
                self._file.write(slot, np.frombuffer(vector, np.float32)[None, :])
        with suppress(StorageFull):  # the copies stay for another time
            self.settle()

    def settle(self) -> None:
        """Flush the file, then drop the copies. REQUIRES: no open write. Raises `StorageFull`, `OutcomeUnknown`."""
        if not self._vectors:
            return
        self._file.flush()
        self._run("DELETE FROM pending")
        self._vectors = self._bytes = 0

    def _run(self, sql: str) -> list[Row]:
        try:
            return self._writer.execute(sql).fetchall()
        except apsw.Error as error:
            raise failure(error, self._what, self._writer) or error from error

"""Replies kept under idempotency keys: the same table in library.db and in catalog.db. docs/formats/library-db.md."""

from typing import Final

import apsw

from pergamum.domain.replies import KEPT_FOR, KeptReply
from pergamum.storage.sqlite.codec import micros, reply_row

_REPLY: Final = "SELECT key, request, at, reply_crc, checksum, reply FROM replies "
REPLIES: Final = _REPLY + "ORDER BY number"
REPLY_BY_KEY: Final = _REPLY + "WHERE key = ?"
_KEEP: Final = "REPLACE INTO replies (key, request, at, reply_crc, checksum, reply) VALUES (?, ?, ?, ?, ?, ?)"
_FORGET: Final = """
DELETE FROM replies
WHERE number IN (SELECT number FROM (SELECT number, at FROM replies ORDER BY number LIMIT ?) WHERE at <= ?)"""
# More go than come, and no write pays for a long pause before it.
_FORGET_EVERY, _FORGET_MOST = 16, 32


def keep_reply(connection: apsw.Connection, kept: KeptReply) -> None:
    """Keep the reply; once in a while forget some that are no longer good at its time. REQUIRES: a transaction."""
    connection.execute(_KEEP, reply_row(kept))
    if connection.last_insert_rowid() % _FORGET_EVERY == 0:
        connection.execute(_FORGET, (_FORGET_MOST, micros(kept.at - KEPT_FOR)))

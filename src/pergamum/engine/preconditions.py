"""What may stand against a write before it is looked at any closer: its key was answered, or others wrote meanwhile."""

from datetime import datetime

from pergamum.domain.chunk import Chunk
from pergamum.domain.document import Document
from pergamum.domain.etags import IfMatch, etag_of
from pergamum.domain.library import Library
from pergamum.domain.replies import KeptReply, Key
from pergamum.errors import AnsweredBefore, IdempotencyKeyReused, PreconditionFailed


def refuse_answered(key: Key, kept: KeptReply | None, at: datetime) -> None:
    """Raise `AnsweredBefore` where the request was carried out in the hours before `at`.

    Raises `IdempotencyKeyReused` where another request was, with the same key. `kept` is what the key stands for.
    """
    if kept is None or not kept.good_at(at):
        return
    if kept.key.request != key.request:
        raise IdempotencyKeyReused
    raise AnsweredBefore(kept.reply)


def refuse_other_version(if_match: IfMatch | None, stored: Document | Chunk | Library | None) -> None:
    """Raise `PreconditionFailed` unless what is stored is a version that the write may meet."""
    if if_match is None:
        return
    etag = None if stored is None else etag_of(stored.version, stored.created_at)
    if not if_match.allows(etag):
        raise PreconditionFailed(etag)

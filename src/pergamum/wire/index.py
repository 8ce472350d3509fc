"""A library's index on the wire."""

from pydantic import JsonValue

from pergamum.wire.common import AnswerModel


class IndexOut(AnswerModel):
    """The index that was asked for, the kind that answers searches, and what it takes.

    `slots` were ever used, `dead_slots` hold no chunk any more, `damaged` ones cannot be read; `tail` came after the
    last saved index.
    """

    kind: str
    params: dict[str, JsonValue]
    active: str
    slots: int
    dead_slots: int
    damaged: int
    tail: int
    memory_bytes: int
    mapped_bytes: int
    disk_bytes: int

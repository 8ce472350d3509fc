"""The state of the server on the wire."""

from uuid import UUID

from pergamum.wire.common import AnswerModel


class AliveOut(AnswerModel):
    """The process answers."""

    status: str


class ReadyOut(AnswerModel):
    """Whether the server takes requests, and what is not as it should be."""

    status: str
    libraries: int
    open: int
    read_only: int
    damaged_chunks: int
    unlisted: list[UUID]

"""Operations on the wire."""

from datetime import datetime
from uuid import UUID

from pydantic import JsonValue

from pergamum.domain.operation import OperationStatus
from pergamum.wire.common import AnswerModel


class OperationOut(AnswerModel):
    """Long work and how far it is; `progress` goes from 0 to 1, `seconds_left` is a guess while it runs."""

    id: UUID
    kind: str
    library_id: UUID
    status: OperationStatus
    progress: float
    seconds_left: float | None
    result: dict[str, JsonValue] | None
    error: dict[str, JsonValue] | None
    created_at: datetime
    updated_at: datetime

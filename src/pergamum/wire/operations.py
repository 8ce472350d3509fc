"""Operations on the wire."""

from datetime import datetime
from uuid import UUID

from pydantic import JsonValue

from pergamum.domain.operation import OperationStatus
from pergamum.wire.common import AnswerModel


class OperationOut(AnswerModel):
    """Long work and how far it is; `progress` goes from 0 to 1."""

    id: UUID
    kind: str
    library_id: UUID
    status: OperationStatus
    progress: float
    result: dict[str, JsonValue] | None
    error: dict[str, JsonValue] | None
    created_at: datetime
    updated_at: datetime

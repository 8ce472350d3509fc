"""An operation: long work a client may follow."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from pergamum.domain.json import JsonObject


class OperationStatus(StrEnum):
    """Where an operation stands; the last three never change again."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Long work on a library. `progress` goes from 0 to 1."""

    id: UUID
    kind: str
    library_id: UUID
    status: OperationStatus = OperationStatus.QUEUED
    progress: float = 0.0
    result: JsonObject | None = None
    error: JsonObject | None = None
    created_at: datetime
    updated_at: datetime

    def succeeded(self, result: JsonObject, at: datetime) -> Self:
        """Return the operation finished with `result`."""
        return replace(self, status=OperationStatus.SUCCEEDED, progress=1.0, result=result, updated_at=at)

    def failed(self, error: JsonObject, at: datetime) -> Self:
        """Return the operation ended by `error`."""
        return replace(self, status=OperationStatus.FAILED, error=error, updated_at=at)

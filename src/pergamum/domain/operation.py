"""An operation: long work a client may follow."""

from dataclasses import dataclass, field, replace
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


ENDED = frozenset({OperationStatus.SUCCEEDED, OperationStatus.FAILED, OperationStatus.CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Long work on a library. `progress` goes from 0 to 1; `request` is what was asked for, enough to go on with it.

    `seconds_left` is a guess while it runs, never stored.
    """

    id: UUID
    kind: str
    library_id: UUID
    status: OperationStatus = OperationStatus.QUEUED
    progress: float = 0.0
    request: JsonObject = field(default_factory=dict)
    result: JsonObject | None = None
    error: JsonObject | None = None
    seconds_left: float | None = None
    created_at: datetime
    updated_at: datetime

    @property
    def ended(self) -> bool:
        """Whether it never changes again."""
        return self.status in ENDED

    def running(self, at: datetime) -> Self:
        """Return the operation under way."""
        return replace(self, status=OperationStatus.RUNNING, updated_at=at)

    def succeeded(self, result: JsonObject, at: datetime) -> Self:
        """Return the operation finished with `result`."""
        return replace(self, status=OperationStatus.SUCCEEDED, progress=1.0, result=result, updated_at=at)

    def failed(self, error: JsonObject, at: datetime) -> Self:
        """Return the operation ended by `error`."""
        return replace(self, status=OperationStatus.FAILED, error=error, updated_at=at)

    def cancelled(self, error: JsonObject | None, at: datetime) -> Self:
        """Return the operation given up; `error` says why, unless somebody asked for that."""
        return replace(self, status=OperationStatus.CANCELLED, error=error, updated_at=at)

"""A library's index on the wire."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, JsonValue

from pergamum.wire.common import AnswerModel
from pergamum.wire.libraries import IndexSpecIn


class IndexIn(IndexSpecIn):
    """The index to use from now on, or, with `preflight`, to predict the cost of."""

    preflight: Annotated[bool, Field(description="Build nothing: say what it would take.")] = False


class RecallPointOut(AnswerModel):
    """The share of the true `k` nearest that one way to search found, with its 95 % confidence interval.

    `selectivity` is the share of chunks that was allowed; `foreign`: by queries unlike the library's own vectors;
    `seconds` are those of one query on one core.
    """

    strategy: str
    effort: int
    k: int
    selectivity: float
    foreign: bool
    recall: float
    low: float
    high: float
    seconds: float
    queries: int


class LiveRecallOut(AnswerModel):
    """Recall of `queries` real searches that asked for `wanted`: answered exactly as well, and compared."""

    wanted: float
    recall: float
    low: float
    high: float
    queries: int


class AutoOut(AnswerModel):
    """What `auto` chose and why: predicted seconds of one query on one core, and where it changes its mind."""

    kind: str
    reason: str
    live_chunks: int
    scan_seconds: float
    graph_seconds: float
    graph_from: int
    exact_below: int


class IndexOut(AnswerModel):
    """The index that was asked for, the one that answers searches, and what it takes.

    `active` is its kind, `active_params` are the parameters in force, defaults included. `slots` were ever used,
    `dead_slots` hold no chunk any more, `damaged` ones cannot be read; `tail` came after the active index was built and
    is scanned beside it, `unsaved` came after it was saved. `auto` explains the choice where there is one; `operation`
    is the one that has not ended.
    """

    kind: str
    params: dict[str, JsonValue]
    active: str
    active_params: dict[str, JsonValue]
    slots: int
    dead_slots: int
    damaged: int
    tail: int
    unsaved: int
    memory_bytes: int
    mapped_bytes: int
    disk_bytes: int
    recall_curve: list[RecallPointOut] | None
    measured_at: datetime | None
    live_recall: list[LiveRecallOut]
    auto: AutoOut | None
    operation: UUID | None


class PreflightOut(AnswerModel):
    """What an index is predicted to take, from one over `sampled` of the library's `chunks`, with its recall curve."""

    kind: str
    params: dict[str, JsonValue]
    chunks: int
    sampled: int
    memory_bytes: int
    disk_bytes: int
    build_seconds: float
    recall_curve: list[RecallPointOut] | None

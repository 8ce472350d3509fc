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


class CandidateOut(AnswerModel):
    """An index that was tried over a sample, and what became of it.

    `effort` is the least that reached the library's recall, `recall` the low end of what it found; where the recall was
    missed the most that was found, and no seconds. Those are processor time of one query: `sample_seconds` over the
    sample, `seconds` predicted for the library at the time of the trial, growing with its size to the power of
    `exponent`. `memory_bytes` is predicted for the library as it is.
    """

    kind: str
    params: dict[str, JsonValue]
    effort: int
    recall: float
    sample_seconds: float | None
    seconds: float | None
    exponent: float | None
    memory_bytes: int
    verdict: str


class TrialOut(AnswerModel):
    """The trial that `auto` chose by: made when the library had `live_chunks`, over a sample of `sampled` of them.

    `queries` vectors left out of the sample were searched for, `k` hits each. `recall` is the one the library declares.
    At `revisited_from` live chunks another trial follows.
    """

    measured_at: datetime
    live_chunks: int
    sampled: int
    queries: int
    k: int
    recall: float
    candidates: list[CandidateOut]
    revisited_from: int


class AutoOut(AnswerModel):
    """What `auto` chose and why: predicted seconds of one query on one core, and where it changes its mind.

    `undecided`: a trial is needed, and `kind` is what there is until it is over. An index is worth its build from
    `index_from` live chunks on, exact search is gone back to below `exact_below`: null where not before another trial.
    """

    kind: str
    params: dict[str, JsonValue]
    reason: str
    undecided: bool
    live_chunks: int
    scan_seconds: float
    index_seconds: float | None
    index_from: int | None
    exact_below: int | None
    memory_limit_bytes: int | None
    trial: TrialOut | None


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
    anonymous_bytes: int
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

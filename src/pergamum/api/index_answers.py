"""From what the services say of an index to the wire."""

from dataclasses import asdict

from pergamum.api.answers import made
from pergamum.domain.recall import RecallCurve
from pergamum.engine.auto import Candidate, Compared, Decision
from pergamum.engine.building import Forecast
from pergamum.services.index import IndexReport
from pergamum.wire.index import (
    AutoOut,
    CandidateOut,
    IndexOut,
    LiveRecallOut,
    PreflightOut,
    RecallPointOut,
    TrialOut,
)


def index_out(report: IndexReport) -> IndexOut:
    """Return what there is to know of an index."""
    status = report.status
    return made(
        IndexOut,
        kind=status.spec.kind.value,
        params=status.spec.params,
        active=status.active.kind.value,
        active_params=report.params_in_force,
        slots=status.slots,
        dead_slots=status.dead_slots,
        damaged=status.damaged,
        tail=status.tail,
        unsaved=status.unsaved,
        memory_bytes=status.memory_bytes,
        anonymous_bytes=status.anonymous_bytes,
        mapped_bytes=status.mapped_bytes,
        disk_bytes=status.disk_bytes,
        recall_curve=_curve_out(status.curve),
        measured_at=None if status.curve is None else status.curve.measured_at,
        live_recall=[made(LiveRecallOut, **asdict(figure)) for figure in report.live_recall],
        auto=None if report.auto is None else _auto_out(report.auto),
        operation=report.operation,
    )


def preflight_out(forecast: Forecast) -> PreflightOut:
    """Return what an index is predicted to take."""
    return made(
        PreflightOut,
        kind=forecast.spec.kind.value,
        params=forecast.spec.params,
        chunks=forecast.chunks,
        sampled=forecast.sampled,
        memory_bytes=forecast.memory_bytes,
        disk_bytes=forecast.disk_bytes,
        build_seconds=forecast.build_seconds,
        recall_curve=_curve_out(forecast.curve),
    )


def _curve_out(curve: RecallCurve | None) -> list[RecallPointOut] | None:
    if curve is None:
        return None
    return [
        made(
            RecallPointOut,
            strategy=str(point.strategy),
            effort=point.effort,
            k=point.k,
            selectivity=point.selectivity,
            foreign=point.foreign,
            recall=point.recall,
            low=point.low,
            high=point.high,
            seconds=point.seconds,
            queries=point.queries,
        )
        for point in curve.points
    ]


def _auto_out(decision: Decision) -> AutoOut:
    return made(
        AutoOut,
        kind=decision.spec.kind.value,
        params=decision.spec.params,
        reason=decision.reason,
        undecided=decision.undecided,
        live_chunks=decision.live_chunks,
        scan_seconds=decision.scan_seconds,
        index_seconds=decision.index_seconds,
        index_from=decision.index_from,
        exact_below=decision.exact_below,
        memory_limit_bytes=decision.memory_limit,
        trial=None if decision.compared is None else _trial_out(decision.compared),
    )


def _trial_out(compared: Compared) -> TrialOut:
    trial = compared.trial
    return made(
        TrialOut,
        measured_at=trial.measured_at,
        live_chunks=trial.live,
        sampled=trial.sampled,
        queries=trial.queries,
        k=trial.k,
        recall=compared.recall,
        candidates=[_candidate_out(candidate) for candidate in compared.candidates],
        revisited_from=compared.revisited_from,
    )


def _candidate_out(candidate: Candidate) -> CandidateOut:
    told = asdict(candidate)
    return made(CandidateOut, **told.pop("spec"), **told)

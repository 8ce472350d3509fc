"""The work of one background job: makes the index that a library needs, and lets it measure itself.

Nothing here changes the library. The job reads one view, which nobody changes; what is written meanwhile is added when
the result is published.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import log2

import numpy as np

from pergamum.domain.library import IndexKind, IndexSpec
from pergamum.domain.recall import RecallCurve
from pergamum.domain.vectors import Matrix
from pergamum.engine.auto import Rule
from pergamum.engine.calibration import calibrate
from pergamum.engine.needs import Need, Work, needed
from pergamum.engine.trying import Tries, part_of
from pergamum.engine.view import EXACT, Built, Made, View
from pergamum.errors import NothingToMeasure
from pergamum.index import factory
from pergamum.index.base import BuiltIndex, Job
from pergamum.index.layered import LayeredIndex
from pergamum.index.mask import SlotMask

TRIED_SHARE = 0.3
"""Where the progress stands when a trial is over that a build follows."""
BUILT_SHARE = 0.8
"""Where the progress stands when the index is made; the rest is measuring."""
SAMPLE = 5_000
"""Vectors that a preflight builds an index over."""
_FEW_SLOTS, _ROUNDS = 2_048, 8
"""Slots whose codes are made within some milliseconds; how often to try to come so near."""


@dataclass(frozen=True, slots=True)
class Choosing:
    """How `auto` chooses: by which rule, and who makes the trials."""

    rule: Rule
    tries: Tries


@dataclass(frozen=True, slots=True)
class Forecast:
    """What an index over the library is predicted to take. `curve` was measured over `sampled` of its chunks."""

    spec: IndexSpec
    chunks: int
    sampled: int
    memory_bytes: int
    disk_bytes: int
    build_seconds: float
    curve: RecallCurve | None


def carry_out(view: View, need: Need, past: Matrix | None, choosing: Choosing, job: Job) -> Built:
    """Return what the need asks for, over all slots of the view. Raises `Cancelled`, `InvalidField`.

    A trial is followed by what it shows to be needed. `past` holds queries the library was asked. REQUIRES: the kernels
    are loaded; the view has an index.
    """
    assert view.index is not None, "a need implies an index"
    if need.work is not Work.TRY:
        return _carried_out(view, need, past, job)
    trial = choosing.tries(view, past, part_of(job, 0.0, TRIED_SHARE))
    shown = needed(replace(view, trial=trial), choosing.rule)
    if shown is None:
        return Built(view.index, view.made, view.curve, trial)
    assert shown.work is not Work.TRY, "a trial that has just been made needs no other"
    return replace(_carried_out(view, shown, past, part_of(job, TRIED_SHARE, 1.0)), trial=trial)


def _carried_out(view: View, need: Need, past: Matrix | None, job: Job) -> Built:
    assert view.index is not None, "a need implies an index"
    assert view.vectors is not None, "an index implies vectors"
    vectors = view.vectors[: view.index.count]
    if need.work is Work.DROP:
        return Built(view.index.with_built(None, vectors), None, None)
    built = _made(view, need, vectors, part_of(job, 0.0, BUILT_SHARE))
    index = view.index if need.work is Work.MEASURE else view.index.with_built(built, vectors)
    curve = calibrate(index, vectors, view.live, live_queries=past, job=part_of(job, BUILT_SHARE, 1.0))
    return Built(index, view.made if need.work is Work.MEASURE else _how(view, need.target, index.count), curve)


def caught_up(built: Built, current: Callable[[], View]) -> Built:
    """Return the result with most of what was written since added, so that little is left to do under a lock.

    A tail that the current view has too is left alone: it grows there.
    """
    index = built.index
    for _ in range(_ROUNDS):
        view = current()
        assert view.index is not None, "an index never goes away"
        assert view.vectors is not None, "an index implies vectors"
        if index.tail.first == view.index.tail.first or view.index.count - index.count <= _FEW_SLOTS:
            break
        index = index.extended(view.vectors[index.count : view.index.count])
    return replace(built, index=index)


def forecast(view: View, spec: IndexSpec, job: Job) -> Forecast:
    """Return what the index is predicted to take, from one over a sample. Raises `NothingToMeasure`.

    Memory and files grow with the slots, time as n log n, as in a sort. REQUIRES: the kernels are loaded.
    """
    sample = _sample(view)
    slots = view.state.next_slot
    metric = view.state.library.metric
    index = LayeredIndex.empty(sample.shape[1], metric).extended(sample)
    seconds, curve = 0.0, None
    if spec.kind is not IndexKind.BRUTE_FORCE:
        started = time.perf_counter()
        built = factory.build(spec, metric, sample, SlotMask(), job)
        seconds = time.perf_counter() - started
        index = index.with_built(built, sample)
        curve = calibrate(index, sample, SlotMask(), live_queries=None, job=job)
    size = round(index.memory_bytes * slots / len(sample))
    times = slots * log2(slots + 1) / (len(sample) * log2(len(sample) + 1))
    return Forecast(spec, view.live_slots, len(sample), size, size, seconds * times, curve)


def _sample(view: View) -> Matrix:
    """Return at most SAMPLE live vectors, chosen by chance but always the same, in the order of slots."""
    if view.vectors is None or view.live_slots == 0:
        raise NothingToMeasure
    flags = view.live.flat()[: view.state.next_slot]
    beyond = np.arange(len(flags), view.state.next_slot)
    live = np.concatenate([np.flatnonzero(flags), beyond])
    chosen = np.random.default_rng(len(live)).permutation(live)[:SAMPLE]
    return np.ascontiguousarray(view.vectors[np.sort(chosen)])


def _made(view: View, need: Need, vectors: Matrix, job: Job) -> BuiltIndex:
    assert view.index is not None, "the caller has checked"
    old = view.index.built
    if old is None or need.work is Work.BUILD:
        return factory.build(need.target, view.state.library.metric, vectors, view.live, job)
    return old if need.work is Work.MEASURE else old.grown(vectors, view.live, job)


def _how(view: View, target: IndexSpec, slots: int) -> Made:
    assert target != EXACT, "exact search is not built"
    return Made(target, slots - view.live.allowed(slots))

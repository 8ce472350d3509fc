"""What lies between the index a library asks for and the one it has. Pure: a view in, the next step out."""

from dataclasses import dataclass
from enum import StrEnum

from pergamum.domain.library import IndexKind, IndexSpec
from pergamum.engine.auto import Decision, Facts, Rule, decide
from pergamum.engine.view import EXACT, View
from pergamum.index.base import BuiltIndex

TAIL_SLOTS = 4_096
"""A tail up to this long is scanned beside any index: that takes some microseconds."""
TAIL_SHARE = 0.1
DEAD_SLOTS = 256
"""So few dead slots harm no index."""
DEAD_SHARE = 0.2


class Work(StrEnum):
    """One step towards the index that is asked for."""

    TRY = "try"
    """Which index is best has to be found out first, by a trial over samples."""
    BUILD = "build"
    """Another kind, or other parameters, from nothing."""
    GROW = "grow"
    """The tail has become long."""
    MEND = "mend"
    """Many slots have died since the index was made."""
    MEASURE = "measure"
    """There is no recall curve."""
    DROP = "drop"
    """Exact search is asked for, or nothing is left to index."""


@dataclass(frozen=True, slots=True)
class Need:
    """The next step, and the index that is in force after it. `asked` is the library's wish that it serves.

    What is in force after a trial nobody knows before it: `target` is what there is.
    """

    work: Work
    target: IndexSpec
    asked: IndexSpec


def needed(view: View, rule: Rule) -> Need | None:
    """Return the next step towards what the library asks for, None when it has it. O(1), at times O(slots)."""
    if view.index is None:
        return None
    asked = view.state.library.index
    target = target_of(view, asked, rule)
    if target is None:
        return Need(Work.TRY, view.active, asked)
    work = _work(view, target)
    return None if work is None else Need(work, target, asked)


def remeasured(view: View) -> Need | None:
    """Return the step that measures the index anew, None where there is nothing to measure."""
    if view.made is None:
        return None
    return Need(Work.MEASURE, view.made.spec, view.state.library.index)


def target_of(view: View, asked: IndexSpec, rule: Rule) -> IndexSpec | None:
    """Return the index that asking for `asked` brings, None where a trial has to say; none is built over no chunk."""
    if view.live_slots == 0:
        return EXACT
    if asked.kind is not IndexKind.AUTO:
        return asked
    decision = _decision(view, rule)
    return None if decision.undecided else decision.spec


def auto_decision(view: View, rule: Rule) -> Decision | None:
    """Return what `auto` chooses for the library, None when it asks for something else."""
    return _decision(view, rule) if view.state.library.index.kind is IndexKind.AUTO else None


def _decision(view: View, rule: Rule) -> Decision:
    library = view.state.library
    facts = Facts(view.live_slots, view.state.next_slot, library.dimension or 1, library.recall, view.active)
    return decide(facts, rule, view.trial)


def _work(view: View, target: IndexSpec) -> Work | None:
    assert view.index is not None, "the caller has checked"
    built = view.index.built
    if target.kind is IndexKind.BRUTE_FORCE:
        return None if built is None else Work.DROP
    if built is None or view.made is None or view.made.spec != target:
        return Work.BUILD
    if view.index.count - built.count > max(TAIL_SLOTS, TAIL_SHARE * view.index.count):
        return Work.GROW
    if _died(view, built, view.made.dead) > _many(built):
        return Work.MEND
    return Work.MEASURE if view.curve is None else None


def _many(built: BuiltIndex) -> float:
    """Return how many of its slots may die before an index is mended."""
    return max(DEAD_SLOTS, DEAD_SHARE * built.count)


def _died(view: View, built: BuiltIndex, before: int) -> int:
    """Return how many slots of the built index have died since it was made, or less than matters."""
    at_most = view.live.dead - before
    if at_most <= _many(built):  # the usual case, without looking at each slot
        return at_most
    return built.count - view.live.allowed(built.count) - before

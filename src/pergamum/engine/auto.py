"""What `auto` chooses: exact search as long as it is quick, then the index that a trial has shown to be the cheapest.

Pure: sizes and measurements in, the choice out. In three steps:

1. Below the size at which an index is predicted to be worth its build, exact search. Before a trial the prediction is
   a cost model of one query on one core:

    scan     live chunks * dimension / bytes scanned in a second
    index    codes a search compares * (one cache miss + dimension / bytes scored in a second at random places)

   after one it is what was measured. Going back to exact search waits for half of the chunks at which an index was
   worth it, so that a library at the border does not build again and again.
2. From there on a trial is needed (`trying.py`): one made when the library had more than a tenth of its chunks.
3. Of the kinds that reach the library's recall and fit in memory the cheapest is chosen, at the size the library had
   at the trial. Costs grow with a power of the size, which the two samples of the trial tell.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from math import log2
from typing import Final

from pergamum.domain.library import IndexKind, IndexSpec
from pergamum.domain.trial import Growth, SampleTrial, Trial, TrialPoint, line, power, reached
from pergamum.engine.planner import SCAN_BYTES_PER_SECOND
from pergamum.engine.view import EXACT

MISS_SECONDS = 60e-9
"""Fetching a vector's codes from wherever they are in memory."""
RANDOM_BYTES_PER_SECOND = 8e9
"""8-bit codes one core compares in a second when each vector lies elsewhere."""
FIRST_CODES, CODES_A_DOUBLING = 400.0, 60.0
"""Codes compared by a graph search at recall 0.95: so many, and so many more whenever the library doubles."""
REVISITED_AFTER: Final = 10
"""How many times as many live chunks as at a trial need another one."""
AS_GOOD: Final = 1.1
"""Costs within so much of the cheapest count as equal: what is there stays, or the one that takes less memory wins."""
TRIED: Final = (
    IndexSpec(IndexKind.HNSW),
    IndexSpec(IndexKind.HNSW, {"layout": "compact"}),
    IndexSpec(IndexKind.IVF),
)
"""What is tried, beside exact search."""
FEWEST: Final = 2
"""Chunks without which there is nothing to compare."""
NEVER: Final = 1 << 62
"""More chunks than any library has."""


@dataclass(frozen=True, slots=True)
class Rule:
    """When an index is worth its build, and what it may take.

    At least `floor` chunks, exact search `times` slower than the index, and, where a limit is given, no more than
    `memory_bytes` for the index of a library.
    """

    floor: int = 10_000
    times: float = 3.0
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """The library: live chunks, slots, dimension, the recall it declares, the index that answers searches now."""

    live: int
    slots: int
    dimension: int
    recall: float
    active: IndexSpec


@dataclass(frozen=True, slots=True)
class Candidate:
    """An index that was tried. Seconds are those of one query on one core at the wanted recall, None where missed.

    `recall`: the low end of what was found at `effort`, the most where the recall is missed. `sample_seconds` were
    measured over the sample, `seconds` are predicted for the size at the trial, where they grow with the size to the
    power of `exponent`. `memory_bytes` is predicted for all slots.
    """

    spec: IndexSpec
    effort: int
    recall: float
    sample_seconds: float | None
    seconds: float | None
    exponent: float | None
    memory_bytes: int
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """What a trial came to at the recall the library declares."""

    trial: Trial
    recall: float
    candidates: tuple[Candidate, ...]

    @property
    def revisited_from(self) -> int:
        """The number of live chunks that needs another trial."""
        return REVISITED_AFTER * self.trial.live


@dataclass(frozen=True, slots=True)
class Decision:
    """What `auto` chose and why. Predicted seconds are those of one query on one core.

    From `index_from` live chunks on an index is worth its build, below `exact_below` the library goes back to exact
    search; both are None where that is not before another trial. `undecided`: a trial has to say which index; until
    then `spec` is what there is. `compared` is None before a trial.
    """

    spec: IndexSpec
    reason: str
    undecided: bool
    live_chunks: int
    scan_seconds: float
    index_seconds: float | None
    index_from: int | None
    exact_below: int | None
    memory_limit: int | None = None
    compared: Compared | None = None


def decide(facts: Facts, rule: Rule, trial: Trial | None = None) -> Decision:
    """Return the index for a library. Pure; O(log live), and once for each trial and recall O(points)."""
    if trial is None or facts.live >= REVISITED_AFTER * trial.live:
        return _by_model(facts, rule)
    return _by_trial(facts, rule, trial)


# Before a trial ------------------------------------------------------------------------------------------------------


def scan_seconds(live: int, dimension: int) -> float:
    """Return what exact search is predicted to take."""
    return live * dimension / SCAN_BYTES_PER_SECOND


def index_seconds(live: int, dimension: int) -> float:
    """Return what a search of an index is predicted to take: that of a graph."""
    codes = FIRST_CODES + CODES_A_DOUBLING * log2(max(live, 2))
    return min(codes, max(live, 1)) * (MISS_SECONDS + dimension / RANDOM_BYTES_PER_SECOND)


@cache
def index_from(dimension: int, rule: Rule) -> int:
    """Return the least number of live chunks from which on an index is predicted to be worth its build."""
    return _border(
        rule, lambda live: scan_seconds(live, dimension) >= rule.times * index_seconds(live, dimension), NEVER
    )


def _by_model(facts: Facts, rule: Rule) -> Decision:
    first = index_from(facts.dimension, rule)
    decision = Decision(
        spec=EXACT,
        reason=_quick_enough(facts, first),
        undecided=False,
        live_chunks=facts.live,
        scan_seconds=scan_seconds(facts.live, facts.dimension),
        index_seconds=index_seconds(facts.live, facts.dimension),
        index_from=first,
        exact_below=first // 2,
        memory_limit=rule.memory_bytes,
    )
    if not _large_enough(facts, first):
        return decision
    reason = f"{facts.live} live chunks: an index may be worth its build; a trial over samples has to say which"
    return replace(decision, spec=facts.active, reason=reason, undecided=True)


# After a trial -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Cost:
    """An index over the largest sample at the wanted recall, and how that grows; None where the recall is missed."""

    sample: SampleTrial
    point: TrialPoint | None
    growth: Growth | None


def _by_trial(facts: Facts, rule: Rule, trial: Trial) -> Decision:
    scan, costs = _costs(trial, facts.recall)
    candidates = [_candidate(cost, facts, rule, trial) for cost in costs]
    won = _winner(candidates, facts.active)
    growth = next((cost.growth for cost in costs if won is not None and cost.sample.spec == won.spec), None)
    last = REVISITED_AFTER * trial.live
    first = NEVER if growth is None else _worth_from(scan, growth, rule, last)
    large = won is not None and _large_enough(facts, first)
    return Decision(
        spec=won.spec if won is not None and large else EXACT,
        reason=_reason(facts, rule, candidates, won, first),
        undecided=False,
        live_chunks=facts.live,
        scan_seconds=scan.at(facts.live),
        index_seconds=None if growth is None else growth.at(facts.live),
        index_from=None if first >= last else first,
        exact_below=None if first >= last else first // 2,
        memory_limit=rule.memory_bytes,
        compared=Compared(trial, facts.recall, tuple(_judged(one, won, chosen=large) for one in candidates)),
    )


@lru_cache(maxsize=256)
def _costs(trial: Trial, recall: float) -> tuple[Growth, tuple[_Cost, ...]]:
    """Return how the cost of exact search grows, and what every index that was tried costs at the recall."""
    scan = line([(one.sampled, one.points[0].seconds) for one in trial.of(EXACT)])
    return scan, tuple(_cost(trial.of(spec), recall) for spec in trial.specs if spec != EXACT)


@lru_cache(maxsize=256)
def _worth_from(scan: Growth, growth: Growth, rule: Rule, last: int) -> int:
    """Return the size from which on an index of that cost is worth its build, NEVER where that is beyond `last`."""
    return _border(rule, lambda live: scan.at(live) >= rule.times * growth.at(live), last)


def _cost(samples: Sequence[SampleTrial], recall: float) -> _Cost:
    """Return what an index costs. `samples`: the largest first; only the recall over that one is needed."""
    points = [(one.sampled, reached(one.points, recall)) for one in samples]
    if points[0][1] is None:
        return _Cost(samples[0], None, None)
    growth = power([(sampled, point.seconds) for sampled, point in points if point is not None])
    return _Cost(samples[0], points[0][1], growth)


def _candidate(cost: _Cost, facts: Facts, rule: Rule, trial: Trial) -> Candidate:
    sample, best = cost.sample, max(cost.sample.points, key=lambda point: point.low)
    memory = round(sample.memory_bytes * facts.slots / sample.sampled)
    if cost.point is None or cost.growth is None:
        verdict = f"does not reach recall {facts.recall:g}: {best.low:.3f} at most over the sample"
        return Candidate(sample.spec, best.effort, best.low, None, None, None, memory, verdict)
    verdict = "" if rule.memory_bytes is None or memory <= rule.memory_bytes else _too_large(memory, rule.memory_bytes)
    point, seconds = cost.point, cost.growth.at(trial.live)
    return Candidate(
        sample.spec, point.effort, point.low, point.seconds, seconds, cost.growth.exponent, memory, verdict
    )


def _winner(candidates: Sequence[Candidate], active: IndexSpec) -> Candidate | None:
    """Return the cheapest of those that nothing speaks against. Of equals the one that is there, or the smallest."""
    priced = [(one.seconds, one) for one in candidates if one.seconds is not None and not one.verdict]
    if not priced:
        return None
    least = min(seconds for seconds, _ in priced)
    equals = [one for seconds, one in priced if seconds <= AS_GOOD * least]
    return min(equals, key=lambda one: (one.spec != active, one.memory_bytes))


def _judged(candidate: Candidate, won: Candidate | None, *, chosen: bool) -> Candidate:
    """Return the candidate with what became of it."""
    if candidate.verdict or won is None or won.seconds is None or candidate.seconds is None:
        return candidate
    if candidate is won:
        verdict = "chosen" if chosen else "the best index, but exact search is quick enough"
    elif candidate.seconds <= AS_GOOD * won.seconds:
        verdict = f"as quick as {named(won.spec)}, within a tenth; it would be built anew or takes more memory"
    else:
        verdict = f"{candidate.seconds / won.seconds:.1f} times the cost of {named(won.spec)}"
    return replace(candidate, verdict=verdict)


# Borders and words ---------------------------------------------------------------------------------------------------


def _border(rule: Rule, worth: Callable[[int], bool], last: int) -> int:
    """Return a size of at least the floor from which on an index is worth it, NEVER where that is beyond `last`."""
    high = max(rule.floor, 1)
    while not worth(high):
        if high >= last:
            return NEVER
        high *= 2
    low = max(rule.floor, high // 2)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if worth(middle) else (middle + 1, high)
    return high


def _large_enough(facts: Facts, first: int) -> bool:
    """Whether the library is worth an index: from `first` chunks on, or from half of that where it has one."""
    return facts.live >= max(FEWEST, first // 2 if facts.active in TRIED else first)


def _quick_enough(facts: Facts, first: int) -> str:
    if facts.active in TRIED:
        return f"{facts.live} live chunks: below {first // 2} exact search is quick again"
    return f"{facts.live} live chunks: exact search is quick enough below {first}"


def _reason(facts: Facts, rule: Rule, candidates: Sequence[Candidate], won: Candidate | None, first: int) -> str:
    start = f"{facts.live} live chunks: "
    if won is None or won.seconds is None:
        within = "" if rule.memory_bytes is None else f" within {rule.memory_bytes} bytes"
        return f"{start}no index reaches recall {facts.recall:g}{within}, so exact search stays"
    if not _large_enough(facts, first):
        if first < NEVER:
            return _quick_enough(facts, first)
        return f"{start}no index is {rule.times:g} times as quick as exact search"
    others = [one for one in candidates if one is not won and one.seconds is not None]
    against = "".join(
        f", {named(one.spec)} {_micros(one.seconds)}{_limited(one)}" for one in others if one.seconds is not None
    )
    took = f"{_micros(won.seconds)} a query by the trial"
    return f"{start}{named(won.spec)} reaches recall {facts.recall:g} in {took}{against}"


def named(spec: IndexSpec) -> str:
    """Return what to call an index: its kind, and its parameters where it has any."""
    told = ", ".join(f"{name} = {value}" for name, value in spec.params.items())
    return f"{spec.kind.value} ({told})" if told else spec.kind.value


def _limited(candidate: Candidate) -> str:
    return f" (but {candidate.verdict})" if candidate.verdict else ""


def _too_large(memory: int, limit: int) -> str:
    return f"takes {memory} bytes of memory where {limit} are allowed"


def _micros(seconds: float) -> str:
    return f"{seconds * 1e6:.0f} us"

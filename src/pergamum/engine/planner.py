"""Chooses how a search is carried out. With one index kind there is one plan; what it costs still decides where it
runs: a short search at once in the event loop, a long one on the search threads.
"""

from dataclasses import dataclass

from pergamum.engine.view import View

SCAN_BYTES_PER_SECOND = 20e9
"""8-bit codes one core scans in a second, on the slow side; benchmarks/exact_search.py measures it."""
SEARCH_SECONDS = 100e-6
"""What any search costs, whatever the library's size: fetching the rows of the hits above all."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a search is carried out, and what that should cost on one core."""

    kind: str
    seconds: float
    exact: bool
    expected_recall: float


def plan(view: View, queries: int) -> Plan:
    """Return the cheapest plan that reaches any wanted recall: so far the exact scan."""
    library = view.state.library
    codes = view.state.next_slot * (library.dimension or 0)
    return Plan("exact_scan", SEARCH_SECONDS + queries * codes / SCAN_BYTES_PER_SECOND, exact=True, expected_recall=1.0)

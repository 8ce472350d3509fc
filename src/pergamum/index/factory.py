"""Which class implements which kind of index."""

from collections.abc import Mapping
from pathlib import Path

from pergamum.domain.vectors import Metric
from pergamum.errors import InvalidField
from pergamum.index.base import VectorIndex
from pergamum.index.brute_force.index import BruteForceIndex
from pergamum.index.brute_force.params import BruteForceParams

KINDS = ("auto", "brute_force")
"""What a library may ask for. `auto` leaves the choice to us: exact search, while it is the only kind."""


def check(kind: str, params: Mapping[str, object]) -> None:
    """Refuse an unknown kind, or parameters that it does not take. Raises `InvalidField`."""
    match kind:
        case "auto" | "brute_force":
            BruteForceParams.of(params)
        case _:
            raise _unknown(kind)


def empty(kind: str, dimension: int, metric: Metric) -> VectorIndex:
    """Return an index of `kind` over no vectors. Raises `InvalidField`."""
    match kind:
        case "auto" | "brute_force":
            return BruteForceIndex.empty(dimension, metric)
        case _:
            raise _unknown(kind)


def load(kind: str, folder: Path) -> VectorIndex:
    """Return the index of `kind` saved in `folder`. Raises `InvalidField`, `Damaged` or `NewerFormat`."""
    match kind:
        case "auto" | "brute_force":
            return BruteForceIndex.load(folder)
        case _:
            raise _unknown(kind)


def _unknown(kind: str) -> InvalidField:
    return InvalidField("index.kind", f"no index kind {kind!r}; known: {', '.join(KINDS)}")

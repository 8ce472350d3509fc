"""Parameters of the graph."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Self

from pergamum.errors import InvalidField

_BOUNDS = {"m": (4, 64), "ef_construction": (16, 2_000)}


class Layout(StrEnum):
    """How the graph lies in memory: `wide` with short codes of a slot's neighbours beside its links, `compact` without.

    Wide is twice as fast and takes some five times the memory.
    """

    WIDE = "wide"
    COMPACT = "compact"


@dataclass(frozen=True, slots=True)
class HnswParams:
    """`m`: links a new slot gets on each layer, and half of what it may hold on the lowest one; more memory, more
    recall at high dimension. `ef_construction`: candidates its links are chosen from; a slower build, better links.
    `layout`: see `Layout`.
    """

    m: int = 16
    ef_construction: int = 120
    layout: Layout = Layout.WIDE

    @classmethod
    def of(cls, params: Mapping[str, object]) -> Self:
        """Return the parameters, those not given at their defaults. Raises `InvalidField` that names the wrong one."""
        known = [field.name for field in fields(cls)]
        chosen: dict[str, Any] = {}
        for name, value in params.items():
            if name not in known:
                raise InvalidField(f"index.params.{name}", f"hnsw takes no such parameter; known: {', '.join(known)}")
            if name == "layout":
                chosen[name] = _layout(value)
                continue
            least, most = _BOUNDS[name]
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise InvalidField(f"index.params.{name}", f"must be a whole number from {least} to {most}")
            chosen[name] = value
        return cls(**chosen)


def _layout(value: object) -> Layout:
    try:
        return Layout(str(value))
    except ValueError as error:
        raise InvalidField("index.params.layout", f"must be one of: {', '.join(Layout)}") from error

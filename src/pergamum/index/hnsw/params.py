"""Parameters of the graph."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

from pergamum.errors import InvalidField

_BOUNDS = {"m": (4, 64), "ef_construction": (16, 2_000)}


@dataclass(frozen=True, slots=True)
class HnswParams:
    """`m`: links a new slot gets on each layer, and half of what it may hold on the lowest one; more memory, more
    recall at high dimension. `ef_construction`: candidates its links are chosen from; a slower build, better links.
    """

    m: int = 16
    ef_construction: int = 200

    @classmethod
    def of(cls, params: Mapping[str, object]) -> Self:
        """Return the parameters, those not given at their defaults. Raises `InvalidField` that names the wrong one."""
        known = [field.name for field in fields(cls)]
        chosen: dict[str, int] = {}
        for name, value in params.items():
            if name not in known:
                raise InvalidField(f"index.params.{name}", f"hnsw takes no such parameter; known: {', '.join(known)}")
            least, most = _BOUNDS[name]
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise InvalidField(f"index.params.{name}", f"must be a whole number from {least} to {most}")
            chosen[name] = value
        return cls(**chosen)

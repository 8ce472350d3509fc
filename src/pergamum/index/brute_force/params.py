"""Parameters of exact search: there are none."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from pergamum.errors import InvalidField


@dataclass(frozen=True, slots=True)
class BruteForceParams:
    """Exact search has nothing to trade: it needs no knob and takes none."""

    @classmethod
    def of(cls, params: Mapping[str, object]) -> Self:
        """Refuse any parameter by name."""
        for name in params:
            raise InvalidField(f"index.params.{name}", "exact search takes no parameters")
        return cls()

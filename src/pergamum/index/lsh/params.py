"""Parameters of hashing, and what is chosen where they are left out."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from pergamum.domain.vectors import Metric
from pergamum.errors import InvalidField

MAX_TABLES = 128
MAX_BITS = 18
MAX_SEED = 2**32 - 1

_FIELD = "index.params."


@dataclass(frozen=True, slots=True)
class LshParams:
    """What a library asks for. None leaves the choice to us, by how many vectors there are and the recall wanted.

    `tables`: how often each vector is filed. `bits`: a table has 2^bits buckets. `recall`: what the tables shall reach
    with a few thousand buckets looked into; it decides how many tables there are. `seed`: of all random numbers.
    """

    tables: int | None = None
    bits: int | None = None
    recall: float = 0.9
    seed: int = 0

    @classmethod
    def of(cls, params: Mapping[str, object]) -> Self:
        """Check and take parameters as a request gives them. Raises `InvalidField`."""
        for name in params:
            if name not in _CHECKS:
                raise InvalidField(_FIELD + name, f"lsh has no such parameter; it takes {', '.join(_CHECKS)}")
        return cls(**{name: _CHECKS[name](name, value) for name, value in params.items()})  # type: ignore[arg-type]

    def chosen(self, count: int) -> tuple[int, int]:
        """Return the numbers of tables and of bits for `count` vectors.

        Buckets hold some eight vectors: fewer would make the list of buckets longer than that of the candidates.
        """
        bits = min(MAX_BITS, max(2, round(math.log2(max(2, count))) - 3))
        tables = next(tables for recall, tables in _TABLES if self.recall <= recall)
        return self.tables or tables, self.bits or bits


_TABLES = ((0.85, 8), (0.92, 16), (0.97, 24), (1.0, 32))
"""Tables for a wanted recall up to the first number, measured on word vectors with 1 % to 5 % of the slots scored."""


def check_metric(metric: Metric) -> None:
    """Accept every metric: cosine and l2 have families of their own, dot becomes cosine in one more dimension."""


def _whole(least: int, most: int) -> Callable[[str, object], int]:
    def checked(name: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise InvalidField(_FIELD + name, f"must be a whole number from {least} to {most}")
        return value

    return checked


def _share(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise InvalidField(_FIELD + name, "must be a number above 0 and below 1")
    return float(value)


_CHECKS: dict[str, Callable[[str, object], int | float]] = {
    "tables": _whole(1, MAX_TABLES),
    "bits": _whole(1, MAX_BITS),
    "recall": _share,
    "seed": _whole(0, MAX_SEED),
}

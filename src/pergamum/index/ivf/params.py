"""Parameters of the partitions."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from pergamum.domain.vectors import Metric
from pergamum.errors import InvalidField

MOST_PARTITIONS: Final = 65_536
VECTORS_A_PARTITION: Final = 48
"""At least so many slots a partition, when the number is left to us: emptier ones are mostly the padding of a block."""


@dataclass(frozen=True, slots=True)
class IvfParams:
    """What a library asks for. `partitions` None leaves the number to us: about 4 sqrt(n), under l2 2 sqrt(n)."""

    partitions: int | None = None

    @classmethod
    def of(cls, params: Mapping[str, object]) -> Self:
        """Check and take parameters as a request gives them. Raises `InvalidField`."""
        for name in params:
            if name != "partitions":
                raise InvalidField(f"index.params.{name}", "ivf has no such parameter; it takes partitions")
        if not params:
            return cls()
        partitions = params["partitions"]
        if isinstance(partitions, bool) or not isinstance(partitions, int) or not 1 <= partitions <= MOST_PARTITIONS:
            raise InvalidField("index.params.partitions", f"must be a whole number from 1 to {MOST_PARTITIONS}")
        return cls(partitions)

    def chosen(self, count: int, metric: Metric) -> int:
        """Return how many partitions `count` vectors get: never more than vectors.

        Where each is in two of them (`build.copies_of`), twice as many hold as many.
        """
        share = 2 if metric is Metric.L2 else 4
        wanted = self.partitions or min(round(share * math.sqrt(count)), count // VECTORS_A_PARTITION, MOST_PARTITIONS)
        return max(1, min(wanted, count))

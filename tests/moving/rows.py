"""A source in memory, to see what a move does with any rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pergamum.domain.vectors import Metric
from pergamum.moving.base import About, CannotMove, Cursor, Page, Row, as_vector


def row(id: str | None, vector: Sequence[float] | None = (1.0, 2.0), text: str | None = "", **metadata: Any) -> Row:  # noqa: ANN401 - any value
    return Row(id=id, vector=None if vector is None else as_vector(vector), text=text, metadata=metadata)


def rows(many: int, start: int = 0) -> list[Row]:
    return [row(f"{number:04}", (number, 1.0), f"text {number}", n=number) for number in range(start, start + many)]


@dataclass(slots=True)
class Listed:
    """Rows of a list; the cursor is how many were read. Fails after `ends_after` rows where that is set."""

    found: Sequence[Row]
    metric: Metric | None = Metric.L2
    dimension: int | None = 2
    types: Mapping[str, Any] = field(default_factory=dict)
    ends_after: int | None = None
    sizes: list[int] = field(default_factory=list)

    @property
    def about(self) -> About:
        return About(
            name="a list", count=len(self.found), dimension=self.dimension, metric=self.metric, types=self.types
        )

    def pages(self, after: Cursor, size: int) -> Iterator[Page]:
        for start in range(int(after or 0), len(self.found), size):
            if self.ends_after is not None and start >= self.ends_after:
                raise CannotMove("the source is gone")
            part = self.found[start : start + size]
            self.sizes.append(len(part))
            yield Page(part, start + len(part))

    def close(self) -> None:
        """Nothing is open."""


def not_finite() -> list[float]:
    return [float(np.inf), 1.0]

"""Looking inside partitions, for the doctor."""

from collections.abc import Iterator

import numpy as np

from pergamum.index.ivf.fastscan import BLOCK
from pergamum.index.ivf.layout import Partitions


def of_partitions(partitions: Partitions, count: int) -> Iterator[str]:
    """Yield what is wrong: slots out of range or twice, partitions out of order, numbers that are none."""
    slots, first = partitions.slots, partitions.first
    if (np.diff(first) < 0).any() or first[0] != 0 or first[-1] * BLOCK != len(slots):
        yield "the partitions do not follow each other"
    used = slots[slots >= 0]
    if used.size and used.max() >= count:
        yield f"a slot is beyond the {count} covered"
    if len(np.unique(used)) != len(used):
        yield "a slot is in two places"
    for name in ("centroids", "halves", "books", "shifts"):
        if not np.isfinite(getattr(partitions, name)).all():
            yield f"{name} hold what is no number"

"""Looking inside partitions, for the doctor."""

from collections.abc import Iterator

import numpy as np

from pergamum.index.ivf.layout import Partitions, numbers_of


def of_partitions(partitions: Partitions, count: int) -> Iterator[str]:
    """Yield what is wrong: slots out of range or twice, partitions out of order, numbers that are none."""
    first, (gains, shifts, slots) = partitions.first, numbers_of(partitions)
    if (np.diff(first) < 0).any() or first[0] != 0 or first[-1] != len(partitions.blocks):
        yield "the partitions do not follow each other"
    used = slots[slots >= 0]
    if used.size and used.max() >= count:
        yield f"a slot is beyond the {count} covered"
    if len(np.unique(used)) != len(used):
        yield "a slot is in two places"
    named = {name: getattr(partitions, name) for name in ("middle", "centroids", "scales", "offsets", "books", "radii")}
    for name, numbers in (named | {"facts": partitions.facts, "gains": gains, "shifts": shifts}).items():
        if not np.isfinite(numbers).all():
            yield f"{name} hold what is no number"

"""Looking inside partitions, for the doctor."""

from collections.abc import Iterator

import numpy as np

from pergamum.index.ivf.layout import BLOCK, COPIES, Partitions, Slots, numbers_of

_NUMBERS = ("middle", "centroids", "scales", "offsets", "widths", "books", "radii")


def _of_copies(partitions: Partitions, slots: Slots) -> Iterator[str]:
    """Yield what is wrong with where slots are: as many places as there are copies, each in a partition of its own."""
    places = np.flatnonzero(slots >= 0)
    labels = np.searchsorted(partitions.first, places // BLOCK, side="right")
    counts = np.unique(slots[places], return_counts=True)[1]
    if (counts > partitions.facts[COPIES]).any():
        yield "a slot is in too many places"
    if (counts < partitions.facts[COPIES]).any():
        yield "a slot is in too few places"
    if len(np.unique(np.stack([slots[places], labels]), axis=1).T) < len(places):
        yield "a slot is twice in a partition"


def of_partitions(partitions: Partitions, count: int) -> Iterator[str]:
    """Yield what is wrong: slots out of range or twice, partitions out of order, numbers that are none."""
    first, (gains, shifts, slots) = partitions.first, numbers_of(partitions)
    if (np.diff(first) < 0).any() or first[0] != 0 or first[-1] != len(partitions.blocks):
        yield "the partitions do not follow each other"
    used = slots[slots >= 0]
    if used.size and used.max() >= count:
        yield f"a slot is beyond the {count} covered"
    yield from _of_copies(partitions, slots)
    named = {name: getattr(partitions, name) for name in _NUMBERS}
    for name, numbers in (named | {"facts": partitions.facts, "gains": gains, "shifts": shifts}).items():
        if not np.isfinite(numbers).all():
            yield f"{name} hold what is no number"

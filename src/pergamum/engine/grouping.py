"""Which chunks of a ranking make its first groups: the best few of each document, documents by their best chunk."""

from collections.abc import Iterable, Sequence


def groups_of(owners: Iterable[str], most: int) -> dict[str, list[int]]:
    """Return for each owner the places of its chunks in the ranking, at most `most`; owners by their first place."""
    groups: dict[str, list[int]] = {}
    for place, owner in enumerate(owners):
        places = groups.setdefault(owner, [])
        if len(places) < most:
            places.append(place)
    return groups


def first_places(groups: dict[str, list[int]]) -> Sequence[int]:
    """Return the place of the best chunk of each group, in their order."""
    return [places[0] for places in groups.values()]

"""The fields of the metadata that was moved: what types their values have, and how a library declares them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pergamum.domain.metadata import name_fault
from pergamum.domain.schema import MAX_FIELDS
from pergamum.moving.values import EMPTY_LIST, UNTYPED

MOST_NAMES: Final = 4 * MAX_FIELDS
"""Names that are watched: memory stays bounded where every row has names of its own."""
_JOINED: Final[Mapping[frozenset[str], str]] = {
    frozenset({"integer", "float"}): "float",
    frozenset({"list[integer]", "list[float]"}): "list[float]",
    frozenset({"datetime", "string"}): "string",
    frozenset({"uuid", "string"}): "string",
    frozenset({"text", "string"}): "text",
}
"""Two types that one field can have, and the field's type then."""


@dataclass(slots=True)
class Fields:
    """How many values of each type were seen under each name."""

    seen: dict[str, dict[str, int]] = field(default_factory=dict)

    def watch(self, name: str, kind: str, count: int = 1) -> None:
        """Count values."""
        kinds = self.seen.get(name)
        if kinds is None:
            if len(self.seen) == MOST_NAMES:
                return
            kinds = self.seen[name] = {}
        kinds[kind] = kinds.get(kind, 0) + count

    def add(self, others: "Fields") -> None:
        """Add the counts of others."""
        for name, kinds in others.seen.items():
            for kind, count in kinds.items():
                self.watch(name, kind, count)

    def declared(self) -> dict[str, dict[str, str]]:
        """Return the declarations of the fields that have one type, those with most values first."""
        typed = {name: kind for name, kinds in self.seen.items() if (kind := _one(kinds)) and not name_fault(name)}
        ranked = sorted(typed, key=lambda name: (-sum(self.seen[name].values()), name))
        return {name: {"type": typed[name]} for name in ranked[:MAX_FIELDS]}

    def untyped(self) -> dict[str, dict[str, int]]:
        """Return the fields that have no one type: they are stored, and no filter sees them."""
        declared = self.declared()
        return {name: kinds for name, kinds in self.seen.items() if name not in declared and set(kinds) != {EMPTY_LIST}}


def _one(kinds: Mapping[str, int]) -> str | None:
    """Return the type that a field with such values can have, or None."""
    found = set(kinds)
    if len(found) > 1 and any(kind.startswith("list[") for kind in found):
        found.discard(EMPTY_LIST)
    if len(found) == 2:
        return _JOINED.get(frozenset(found))
    (kind, *others) = found
    return None if others or kind in {UNTYPED, EMPTY_LIST} else str(kind)

"""The filter of a search: as it was asked, and as the schema of a view has it."""

from dataclasses import dataclass, field
from typing import Self

from pergamum.domain.fields import Level
from pergamum.domain.filter_checking import checked
from pergamum.domain.filters import CheckedFilter, Filter
from pergamum.domain.query import Filtering
from pergamum.domain.schema import MetadataSchema
from pergamum.engine.live_columns import allowed, known
from pergamum.engine.view import View
from pergamum.index.mask import SlotMask
from pergamum.storage.base import Rows


@dataclass(frozen=True, slots=True)
class Where:
    """A filter over chunks. Two are equal when they ask the same: as they were asked, 1, 1.0 and true look alike.

    But not under different schemas: what was asked may mean the same in both, and not in a third.
    """

    checked: CheckedFilter
    asked: Filter = field(compare=False)
    schema: MetadataSchema

    @classmethod
    def of(cls, asked: Filter, schema: MetadataSchema) -> Self:
        """Return the filter, checked by the schema. Raises `UnknownField`, `InvalidFilter`."""
        return cls(checked(asked, schema, Level.CHUNK), asked, schema)

    def under(self, schema: MetadataSchema) -> CheckedFilter:
        """Return the filter as another schema has it. Raises `UnknownField`, `InvalidFilter`."""
        return self.checked if schema is self.schema else checked(self.asked, schema, Level.CHUNK)


def known_slots(view: View, where: Where) -> SlotMask | None:
    """Return the live slots that pass the filter, if that is known already. O(conditions)."""
    schema = view.state.library.metadata_schema
    return known(view, where.checked) if schema is where.schema else None


def filtered(view: View, rows: Rows, where: Where) -> tuple[SlotMask, Filtering]:
    """Return the live slots that pass the filter, and what is to be told of it.

    Raises `UnknownField`, `InvalidFilter` when the schema has changed. REQUIRES: the view has columns, and `rows` are
    at its position.
    """
    tree = where.under(view.state.library.metadata_schema)
    found = known(view, tree)
    mask = allowed(view, rows, tree) if found is None else found
    return mask, filtering(view, mask, cached=found is not None)


def filtering(view: View, mask: SlotMask, *, cached: bool) -> Filtering:
    """Return what is to be told of a filter that left these slots of the view."""
    left = max(0, view.state.next_slot - mask.dead)
    return Filtering(left / view.live_slots if view.live_slots else 1.0, cached)

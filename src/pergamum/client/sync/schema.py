# Made by scripts/make_sync_client from aio/schema.py: change it there.
"""The metadata schema of a library."""

from typing import Unpack

from pergamum.client import schema_calls
from pergamum.client.drafts import ChangeSchema
from pergamum.client.options import ReadOptions, parted
from pergamum.client.sync.transport import Door
from pergamum.wire.schema import SchemaChangeOut, SchemaOut


class Schema:
    """The metadata schema of one library."""

    def __init__(self, door: Door, library: str) -> None:
        self._door, self._library = door, library

    def get(self, **options: Unpack[ReadOptions]) -> SchemaOut:
        """Return the fields by name. Raises `NotFound`."""
        return self._door.send(schema_calls.get_schema(self._library), options)

    def change(self, *, dry_run: bool = False, **changes: Unpack[ChangeSchema]) -> SchemaChangeOut:
        """Add, drop, rename or change fields; with `dry_run` only say how many stored ones would not fit.

        Raises `Conflict` when some would not fit, `Invalid` for a declaration that is none.
        """
        fields, options = parted(changes)
        return self._door.send(schema_calls.change_schema(self._library, fields, dry_run=dry_run), options)

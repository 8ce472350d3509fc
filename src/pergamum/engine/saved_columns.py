"""Columns in an index snapshot: which they are, and how they come along when the next snapshot is made without them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from pergamum.engine.view import View

CHUNKS: Final = "chunks.arrow"
DOCUMENTS: Final = "documents.arrow"
NAMES: Final = frozenset({CHUNKS, DOCUMENTS})
"""What the files of columns are called."""
_FORMAT: Final = 1

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SavedColumns:
    """Columns of the schema's `era` as they were at `position`: files in `folder`, each with its size and crc32.

    They cover the slots below `slots`, and the numbers of documents below `numbers`.
    """

    folder: Path
    position: int
    era: int
    slots: int
    numbers: int
    files: Mapping[str, list[int]]

    @classmethod
    def of(cls, folder: Path, manifest: Mapping[str, Any]) -> "SavedColumns | None":
        """Return the columns that a snapshot holds, None where it holds none that this release can read."""
        told = manifest.get("columns")
        if told is None or told["format"] != _FORMAT:
            return None
        files = {name: expected for name, expected in manifest["files"].items() if name in NAMES}
        return cls(folder, told["position"], told["era"], told["slots"], told["numbers"], files)


def keep_columns(view: View, folder: Path, older: SavedColumns | None) -> dict[str, int] | None:
    """Write the view's columns into the folder of a snapshot; without any, let those of the last one come along.

    Return what the manifest says of them; None where there are none, or they could not be written: the rows have them.
    """
    try:
        if view.columns is not None:
            return _written(view, folder)
        if older is not None and older.era == view.state.library.metadata_schema.era:
            return _linked(older, folder)
    except OSError as error:
        log.warning("columns not saved", folder=str(folder), reason=str(error))
        for name in NAMES:
            (folder / name).unlink(missing_ok=True)
    return None


def _written(view: View, folder: Path) -> dict[str, int]:
    from pergamum.engine.columns.files import save_columns  # noqa: PLC0415  # polars: whoever has columns has loaded it

    columns = view.columns
    assert columns is not None, "the caller has looked"
    save_columns(columns, folder)
    return _told(view.state.position, columns.era, columns.chunks.count, columns.documents.count)


def _linked(older: SavedColumns, folder: Path) -> dict[str, int]:
    """Give files, which nobody ever changes, one more name."""
    for name in older.files:
        os.link(older.folder / name, folder / name)
    return _told(older.position, older.era, older.slots, older.numbers)


def _told(position: int, era: int, slots: int, numbers: int) -> dict[str, int]:
    return {"format": _FORMAT, "position": position, "era": era, "slots": slots, "numbers": numbers}

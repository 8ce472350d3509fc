"""Columns as files: Arrow IPC, one for each table, every column as its run has it. docs/formats/columns.md."""

from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from pergamum.engine.columns.columns import Columns
from pergamum.engine.columns.run import Run
from pergamum.engine.columns.table import Table
from pergamum.engine.saved_columns import CHUNKS, DOCUMENTS, SavedColumns
from pergamum.storage.files import fsync_file

_NUMBER: Final = "number"
"""A column of row numbers (UInt32), in tables that do not have every row from 0 on."""


def save_columns(columns: Columns, folder: Path) -> None:
    """Write the columns; their bytes are durable, their names are once the folder is flushed. Raises `OSError`.

    A table without rows has no file.
    """
    for name, table in ((CHUNKS, columns.chunks), (DOCUMENTS, columns.documents)):
        run = table.whole()
        if run is None:
            continue
        try:
            _frame(run).write_ipc(folder / name, compression="uncompressed", record_batch_size=run.size)
        except pl.exceptions.PolarsError as error:
            raise OSError(str(error)) from error
        fsync_file(folder / name)


def load_columns(saved: SavedColumns) -> Columns:
    """Return the columns as they were saved. REQUIRES: the files are as they were written. O(bytes)."""
    return Columns(saved.era, _table(saved, CHUNKS, saved.slots), _table(saved, DOCUMENTS, saved.numbers))


def _frame(run: Run) -> pl.DataFrame:
    if run.gaps is None and run.first == 0:
        return run.frame
    return run.frame.with_columns(pl.Series(_NUMBER, run.numbers, pl.UInt32))


def _table(saved: SavedColumns, name: str, rows: int) -> Table:
    if name not in saved.files:
        return Table(count=rows)
    frame = pl.read_ipc(saved.folder / name)
    if _NUMBER not in frame.columns:
        return Table((Run(frame, 0),), rows)
    return Table((Run.of(frame[_NUMBER].to_numpy().astype(np.int64), frame.drop(_NUMBER)),), rows)

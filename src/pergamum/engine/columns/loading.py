"""Reading the columns of a library from its rows, and bringing older columns up to the rows."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

import numpy as np
import structlog

from pergamum.domain.schema import MetadataSchema
from pergamum.engine.columns.building import ChunkRow, DocumentRow
from pergamum.engine.columns.columns import Columns
from pergamum.engine.columns.files import load_columns
from pergamum.engine.columns.following import FAILURES, Changed, Row, chunk_run, document_run
from pergamum.engine.columns.run import Run, joined
from pergamum.engine.columns.table import Table
from pergamum.engine.saved_columns import SavedColumns
from pergamum.engine.snapshots import damaged_files
from pergamum.errors import Damaged
from pergamum.storage.base import Rows

log = structlog.get_logger(__name__)

_AT_ONCE: Final = 32_768
"""Rows made into columns at a time: their objects take many times the memory."""


def read_columns(rows: Rows) -> Columns:
    """Return the columns of all rows. O(rows). A damaged row is one of nulls."""
    state = rows.state()
    schema = state.library.metadata_schema
    documents, chunks = _document_rows(rows, schema, -1), _chunk_rows(rows, schema, -1, 0)
    document_runs = [run for part in _parts(documents) if (run := document_run(part, schema))]
    chunk_runs = [run for part in _parts(chunks) if (run := chunk_run(part, schema))]
    numbers = int(document_runs[-1].numbers[-1]) + 1 if document_runs else 1
    return Columns(schema.era, _table(chunk_runs, state.next_slot), _table(document_runs, numbers))


def restored(saved: SavedColumns, rows: Rows) -> Columns | None:
    """Return the saved columns with what was written since; None where they are damaged, which is logged.

    O(bytes, documents, rows written since). REQUIRES: the schema of the rows is of their era.
    """
    try:
        for name, reason in damaged_files(saved.folder, saved.files):
            raise Damaged(str(saved.folder / name), reason)
        columns = load_columns(saved)
    except (Damaged, OSError, *FAILURES) as error:
        log.warning("columns damaged, they are made from the rows again", folder=str(saved.folder), reason=str(error))
        return None
    return caught_up(columns, saved.position, rows)


def caught_up(columns: Columns, since: int, rows: Rows) -> Columns:
    """Return the columns as the rows are, from those at the position `since`. O(documents + rows written since).

    REQUIRES: the schema of the rows is of the columns' era.
    """
    state = rows.state()
    if state.position == since:
        return columns
    schema = state.library.metadata_schema
    changed = Changed(
        dict(_chunk_rows(rows, schema, since, columns.chunks.count)), dict(_document_rows(rows, schema, since))
    )
    changed.documents.update(_removed(columns, rows))
    return columns.with_rows(changed, state)


def _removed(columns: Columns, rows: Rows) -> dict[int, DocumentRow | None]:
    """Return the documents that the columns have and the rows do not. O(documents), 0.2 µs each.

    Counts would not do: the rows count documents, too, that are damaged, and the columns do not have those.
    """
    gone = np.setdiff1d(np.flatnonzero(columns.live_documents()), rows.all_document_numbers(), assume_unique=True)
    return dict.fromkeys(gone.tolist())


def _document_rows(rows: Rows, schema: MetadataSchema, since: int) -> Iterator[tuple[int, DocumentRow | None]]:
    for number, document in rows.documents_changed(since):
        yield number, None if document is None else DocumentRow(document, schema)


def _chunk_rows(
    rows: Rows, schema: MetadataSchema, since: int, first_slot: int
) -> Iterator[tuple[int, ChunkRow | None]]:
    for slot, owner, stored in rows.chunks_changed(since, first_slot):
        yield slot, None if stored is None else ChunkRow(owner, stored.chunk, schema)


def _parts(rows: Iterator[tuple[int, Row | None]]) -> Iterator[dict[int, Row | None]]:
    while part := dict(islice(rows, _AT_ONCE)):
        yield part


def _table(runs: Sequence[Run], rows: int) -> Table:
    """Return the table of one run, with rows of nulls where the runs have none unless these were most of it."""
    return Table((joined(runs).dense(),), rows) if runs else Table(count=rows)

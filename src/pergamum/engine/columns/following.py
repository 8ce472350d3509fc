"""What a write changed, as one small run of each table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import numpy as np
import polars as pl

from pergamum.domain.schema import MetadataSchema
from pergamum.engine.columns.building import ChunkRow, DocumentRow, chunk_frame, document_frame
from pergamum.engine.columns.run import Run
from pergamum.engine.written import Written
from pergamum.storage.base import Rows

Row = TypeVar("Row", ChunkRow, DocumentRow)

FAILURES: Final = (pl.exceptions.PolarsError, ValueError, TypeError, OverflowError)
"""What would go wrong if rows were other than they are thought to be."""


@dataclass(frozen=True, slots=True)
class Changed:
    """Rows by slot, and by number of document; None stands for what is removed or damaged."""

    chunks: dict[int, ChunkRow | None] = field(default_factory=dict)
    documents: dict[int, DocumentRow | None] = field(default_factory=dict)


def changed(written: Written, rows: Rows) -> Changed:
    """Return the rows as a group of commands leaves them. `rows` are those inside its transaction."""
    owners = {stored.chunk.document_id for _, stored in written.chunks}
    numbers = rows.document_numbers([*owners.union(document.id for _, document in written.documents)])
    found = Changed(documents=dict.fromkeys(written.removed))
    for names, document in written.documents:
        if document.id in numbers:  # it was not removed later in the group
            found.documents[numbers[document.id]] = DocumentRow(document, names)
    for names, stored in written.chunks:
        found.chunks[stored.slot] = ChunkRow(numbers.get(stored.chunk.document_id, 0), stored.chunk, names)
    return found


def chunk_run(rows: Mapping[int, ChunkRow | None], schema: MetadataSchema) -> Run | None:
    """Return the run of these chunks, None of none."""
    return _run(rows, lambda each: chunk_frame(each, schema))


def document_run(rows: Mapping[int, DocumentRow | None], schema: MetadataSchema) -> Run | None:
    """Return the run of these documents, None of none."""
    return _run(rows, lambda each: document_frame(each, schema))


def _run(rows: Mapping[int, Row | None], frame_of: Callable[[Sequence[Row | None]], pl.DataFrame]) -> Run | None:
    if not rows:
        return None
    numbers = sorted(rows)
    return Run.of(np.array(numbers, np.int64), frame_of([rows[number] for number in numbers]))

"""Tables as rows: data frames, Arrow tables, columns of arrays become the dictionaries that are sent.

| column | of documents | of chunks |
|---|---|---|
| `id`, `document_id` | the id, a number as its digits | so too, with that of the document |
| `title`, `author`, `document_type`, `source_url`, `tags` | the field | metadata |
| `text` | the text, or that of the one chunk where there is a vector | the text |
| `embedding`, or `vector` | the vector of the one chunk that the document then has | the vector |
| `chunks` | the chunks, dictionaries | metadata |
| `page_number` | metadata | the field |
| `metadata` | dictionaries of metadata | so too |
| `metadata.x`, any other x | the metadata field x | so too |

What is missing (None, NaN, NaT, NA) is left out. `cells.py` says what a value may be.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from pergamum.client.cells import cell
from pergamum.client.table_blocks import Block, blocks_of
from pergamum.client.vectors import SupportsArray

Noun: TypeAlias = Literal["documents", "chunks"]
Table: TypeAlias = SupportsArray | Mapping[str, Any]
Rows: TypeAlias = Iterable[Any] | Mapping[str, Any]
"""Dictionaries, a pandas or polars frame, an Arrow table, batch or reader, an iterable of these, or columns by name."""

_FIELDS: Final[Mapping[Noun, frozenset[str]]] = {
    "documents": frozenset(
        {"id", "title", "author", "document_type", "source_url", "tags", "metadata", "text", "chunks", "embedding"}
    ),
    "chunks": frozenset({"id", "document_id", "text", "page_number", "metadata", "embedding"}),
}
_IDS: Final = frozenset({"id", "document_id"})
_METADATA: Final = "metadata."


def rows_of(source: Rows, noun: Noun) -> Iterator[dict[str, Any]]:
    """Return the documents or chunks that the source holds, in order, reading it as they are asked for.

    Dictionaries are given on as they are; the rows of tables are made as the table above says, no more than a block of
    them at a time. Raises TypeError for what is neither, ValueError for a value that cannot be sent, naming its row and
    its column; ImportError where Arrow has to be read without pyarrow.
    >>> rows = rows_of({"id": [7], "text": ["The moon pulls the sea."], "year": [1687]}, "documents")
    >>> next(rows)
    {'id': '7', 'text': 'The moon pulls the sea.', 'metadata': {'year': 1687}}
    """
    blocks = blocks_of(source)
    if blocks is not None:
        yield from _table_rows(blocks, noun)
        return
    if isinstance(source, str | bytes | np.ndarray) or not isinstance(source, Iterable):
        raise TypeError(f"rows are dictionaries or a table, received a {type(source).__name__}")
    for place, item in enumerate(source):
        if isinstance(item, dict):
            yield item
            continue
        inner = blocks_of(item) if not isinstance(item, Mapping) else None
        if inner is None and not isinstance(item, Mapping):
            raise TypeError(f"rows are dictionaries or tables, received a {type(item).__name__} at place {place}")
        yield from [dict(item)] if inner is None else _table_rows(inner, noun)


def _table_rows(blocks: Iterable[Block], noun: Noun) -> Iterator[dict[str, Any]]:
    numbers = count()
    for block in blocks:
        columns = _placed(block, noun)
        for cells in zip(*columns.values(), strict=True):
            yield _row(zip(columns, cells, strict=True), noun, next(numbers))


def _placed(block: Block, noun: Noun) -> dict[str, Any]:
    """Return the columns under the names of fields, and of metadata fields with a prefix. Raises ValueError for two."""
    placed: dict[str, Any] = {}
    for name, values in block.items():
        field = "embedding" if name == "vector" else name
        known = field in _FIELDS[noun]
        where = field if known or field.startswith(_METADATA) else _METADATA + name
        if where in placed:
            raise ValueError(f"column {name!r}: {where!r} has a column already")
        placed[where] = values
    return placed


def _row(cells: Iterable[tuple[str, Any]], noun: Noun, number: int) -> dict[str, Any]:
    row: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    for column, given in cells:
        try:
            value = _vector(given) if column == "embedding" else _value(column, given)
        except (TypeError, ValueError) as error:
            raise type(error)(f"row {number}, column {column!r}: {error}") from None
        if value is None:
            continue
        if column.startswith(_METADATA):
            metadata[column.removeprefix(_METADATA)] = value
        else:
            row[column] = value
    if metadata:
        row["metadata"] = _joined(row.get("metadata", {}), metadata, number)
    return _with_chunk(row, number) if noun == "documents" and "embedding" in row else row


def _value(column: str, given: object) -> object:
    if column == "chunks":
        return _chunks(given)
    value = cell(given)
    if column == "metadata" and not isinstance(value, dict | None):
        raise TypeError(f"metadata is a dictionary, received a {type(given).__name__}")
    return str(value) if column in _IDS and type(value) is int else value


def _vector(given: object) -> object:
    """Return the vector as it is, for it is encoded as it is; None where there is none."""
    if isinstance(given, np.ndarray | list | tuple | str):
        return given
    if hasattr(given, "__array__") and getattr(given, "ndim", None) != 0:
        return given
    if cell(given) is None:
        return None
    raise TypeError(f"a vector is a list or an array of numbers, received a {type(given).__name__}")


def _chunks(given: object) -> list[dict[str, Any]] | None:
    if not isinstance(given, list | tuple | np.ndarray):
        if cell(given) is None:
            return None
        raise TypeError(f"chunks are a list of dictionaries, received a {type(given).__name__}")
    made = []
    for chunk in given:
        if not isinstance(chunk, Mapping):
            raise TypeError(f"a chunk is a dictionary, received a {type(chunk).__name__}")
        values = ((name, _vector(value) if name == "embedding" else cell(value)) for name, value in chunk.items())
        made.append({name: value for name, value in values if value is not None})
    return made


def _joined(given: dict[str, Any], loose: dict[str, Any], number: int) -> dict[str, Any]:
    twice = given.keys() & loose.keys()
    if twice:
        raise ValueError(f"row {number}: column 'metadata' holds {min(twice)!r}, which has a column of its own")
    return {**given, **loose}


def _with_chunk(row: dict[str, Any], number: int) -> dict[str, Any]:
    """Return the document with its vector as that of its one chunk."""
    if "chunks" in row:
        raise ValueError(f"row {number}: a document has chunks or a vector, not both")
    chunk = {"text": row.pop("text", ""), "embedding": row.pop("embedding")}
    return {**row, "chunks": [chunk]}

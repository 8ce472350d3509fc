"""From the columns of a file to the fields of a document."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from pergamum.cli.tables import BadRow, Fields
from pergamum.client import NewDocument

DEFAULTS: Final[Mapping[str, tuple[str, ...]]] = {
    "id": ("id", "_id"),
    "title": ("title",),
    "author": ("author",),
    "document_type": ("document_type",),
    "source_url": ("source_url", "url"),
    "tags": ("tags",),
    "text": ("text", "body", "content"),
    "chunks": ("chunks",),
    "embedding": ("embedding", "vector"),
    "metadata": ("metadata",),
}
"""Where each field is looked for: the first of these columns that a row has."""

_WORDS: Final = ("title", "author", "document_type", "source_url")


class Columns:
    """Which column each field comes from. All columns that are no field become metadata."""

    def __init__(self, chosen: Mapping[str, str]) -> None:
        self._sources = dict(DEFAULTS) | {field: (column,) for field, column in chosen.items()}

    @classmethod
    def parsed(cls, choices: Iterable[str]) -> "Columns":
        """Read choices such as `text=abstract`. Raises ValueError."""
        chosen: dict[str, str] = {}
        for choice in choices:
            field, equals, column = choice.partition("=")
            if not equals or field not in DEFAULTS:
                raise ValueError(f"{choice!r} is not FIELD=COLUMN with a field of {', '.join(DEFAULTS)}")
            chosen[field] = column
        return cls(chosen)

    @property
    def words(self) -> set[str]:
        """The columns that are text even where they look like numbers."""
        return {column for field in ("id", "text", *_WORDS) for column in self._sources[field]}

    @property
    def key(self) -> str:
        """What tells these choices from others."""
        return json.dumps(self._sources, sort_keys=True)

    def document(self, row: Fields, spare_id: str) -> NewDocument:
        """Return the row as a document; `spare_id` is its id where it brings none. Raises `BadRow`."""
        found = {field: self._column(row, sources) for field, sources in self._sources.items()}
        cell = {field: row[column] for field, column in found.items() if column is not None}
        used = {column for column in found.values() if column is not None}
        document = NewDocument(id=_word(cell.get("id"), "id") or spare_id)
        for field in _WORDS:
            if field in cell:
                document[field] = _word(cell[field], field)
        if "tags" in cell:
            document["tags"] = _tags(cell["tags"])
        _add_metadata(document, cell.get("metadata"), {name: row[name] for name in row if name not in used})
        _add_content(document, cell, row)
        return document

    @staticmethod
    def _column(row: Fields, sources: tuple[str, ...]) -> str | None:
        return next((column for column in sources if row.get(column) is not None), None)


def spare_id(file: Path, row: int) -> str:
    """Return the id of a row that brings none: always the same for the same row of the same file."""
    return str(uuid5(NAMESPACE_URL, f"{file.resolve().as_uri()}#{row}"))


def _add_content(document: NewDocument, cell: Mapping[str, Any], row: Fields) -> None:
    text = _word(cell.get("text"), "text")
    if "chunks" in cell:
        document["chunks"] = cell["chunks"]
    elif text is None:
        columns = ", ".join(row) or "none"
        raise BadRow(f"has no text; its columns are {columns}; choose one with --column text=COLUMN")
    elif "embedding" in cell:
        document["chunks"] = [{"text": text, "embedding": _vector(cell["embedding"])}]
    else:
        document["text"] = text


def _add_metadata(document: NewDocument, given: object, others: Mapping[str, Any]) -> None:
    if isinstance(given, str):
        given = _parsed(given, "metadata")
    if given is not None and not isinstance(given, dict):
        raise BadRow("has metadata that is not an object")
    metadata = {name: value for name, value in others.items() if value is not None} | (given or {})
    if metadata:
        document["metadata"] = metadata


def _word(value: object, field: str) -> str | None:
    """Return a text, or a number as text."""
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise BadRow(f"has a {field} that is neither text nor a number")


def _tags(value: object) -> list[str]:
    """Return a list, or what commas separate."""
    if isinstance(value, str):
        return [tag.strip() for tag in value.split(",") if tag.strip()]
    if isinstance(value, list) and all(isinstance(tag, str) for tag in value):
        return value
    raise BadRow("has tags that are neither a list of texts nor text")


def _vector(cell: object) -> Any:  # noqa: ANN401 - whatever stands there: the server says what is wrong with it
    """Return a list of numbers, or base64 as it is."""
    return _parsed(cell, "embedding") if isinstance(cell, str) and cell.lstrip().startswith("[") else cell


def _parsed(text: str, field: str) -> object:
    try:
        parsed: object = json.loads(text)
    except ValueError as error:
        raise BadRow(f"has a {field} that is not JSON: {error}") from error
    return parsed

"""Changes to fields that are the same for every document or chunk they are made to."""

import json
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, TypeAlias

from pergamum.domain.chunk import Chunk
from pergamum.domain.document import Document
from pergamum.domain.fields import CHUNK_COLUMNS, DOCUMENT_COLUMNS, FieldType, Level
from pergamum.domain.json import Json, JsonObject
from pergamum.domain.schema import MetadataSchema
from pergamum.domain.values import Misfit, typed
from pergamum.errors import InvalidField

CHANGEABLE: Final[Mapping[Level, Mapping[str, FieldType]]] = {
    Level.DOCUMENT: {
        name: DOCUMENT_COLUMNS[name].type for name in ("title", "author", "document_type", "source_url", "tags")
    },
    Level.CHUNK: {"page_number": CHUNK_COLUMNS["page_number"].type},
}
"""The fixed fields that may be changed this way. A new text would need a new embedding."""
_KEPT: Final[Mapping[Level, frozenset[str]]] = {
    Level.DOCUMENT: frozenset(DOCUMENT_COLUMNS) - CHANGEABLE[Level.DOCUMENT].keys() | {"text", "metadata"},
    Level.CHUNK: frozenset(CHUNK_COLUMNS) - CHANGEABLE[Level.CHUNK].keys() | {"embedding", "metadata"},
}
_PREFIX: Final = "metadata."
MAX_TAGS: Final = 100


@dataclass(frozen=True, slots=True)
class FieldChanges:
    """What becomes of fields, by their names. REQUIRES: the values of fixed fields are of their type.

    A name is that of a fixed field, or else of a metadata field; `metadata.` before it says that the latter is meant.
    `set` replaces values, null removes them as `unset` does. `append` adds to a list, at its end, what it does not hold
    yet, and makes one where there is none; `remove` takes out every element equal to one of those given.
    """

    set: Mapping[str, Json] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    append: Mapping[str, Sequence[Json]] = field(default_factory=dict)
    remove: Mapping[str, Sequence[Json]] = field(default_factory=dict)


Change: TypeAlias = Callable[[Json], Json]
"""From the value of a field to its new value, None for no value. Raises `InvalidField`."""
_Making: TypeAlias = Callable[[str, FieldType | None], Change]
"""Makes a change for the field of that name; its type is None where no schema knows it."""


@dataclass(frozen=True, slots=True)
class Edits:
    """The changes once the fields are known: of fixed fields and of metadata fields, by name."""

    fixed: Mapping[str, Change]
    metadata: Mapping[str, Change]

    def of_document(self, document: Document, at: datetime) -> Document:
        """Return the next version of the document. Raises `InvalidField`."""
        fields = self._fixed(document)
        if "tags" in fields:
            fields["tags"] = tuple(fields["tags"] or ())
            if len(fields["tags"]) > MAX_TAGS:
                raise InvalidField("tags", f"may be at most {MAX_TAGS}")
        fields["metadata"] = self._metadata(document.metadata)
        return replace(document, **fields, version=document.version + 1, updated_at=at)

    def of_chunk(self, chunk: Chunk, at: datetime) -> Chunk:
        """Return the next version of the chunk. Raises `InvalidField`."""
        fields = self._fixed(chunk)
        fields["metadata"] = self._metadata(chunk.metadata)
        return replace(chunk, **fields, version=chunk.version + 1, updated_at=at)

    def _fixed(self, row: Document | Chunk) -> dict[str, Any]:
        return {name: change(_json(getattr(row, name))) for name, change in self.fixed.items()}

    def _metadata(self, before: JsonObject) -> JsonObject:
        if not self.metadata:
            return before
        after = before | {name: change(before.get(name)) for name, change in self.metadata.items()}
        return {name: value for name, value in after.items() if value is not None or name not in self.metadata}


def edits(changes: FieldChanges, level: Level, schema: MetadataSchema) -> Edits:
    """Return what the changes mean under this schema. Raises `InvalidField` for a field that cannot be changed so."""
    fixed: dict[str, Change] = {}
    metadata: dict[str, Change] = {}
    for asked, making in _asked(changes):
        name, kind = _field(asked, level, schema)
        targets = fixed if asked in CHANGEABLE[level] else metadata
        if name in targets:
            raise InvalidField(asked, "is changed twice")
        targets[name] = making(asked, kind)
    return Edits(fixed, metadata)


def _asked(changes: FieldChanges) -> Iterator[tuple[str, _Making]]:
    for name, value in changes.set.items():
        yield name, _setting(value)
    for name in changes.unset:
        yield name, _setting(None)
    for name, values in changes.append.items():
        yield name, _appending(values)
    for name, values in changes.remove.items():
        yield name, _removing(values)


def _field(asked: str, level: Level, schema: MetadataSchema) -> tuple[str, FieldType | None]:
    """Return the field's own name and its type."""
    fixed = CHANGEABLE[level].get(asked)
    if fixed is not None:
        return asked, fixed
    if asked in _KEPT[level]:
        raise InvalidField(asked, f"cannot be changed this way; a metadata field of that name is {_PREFIX}{asked}")
    known = schema.fields(level)
    name = asked if asked in known else asked.removeprefix(_PREFIX)
    return name, known[name].type if name in known else None


def _setting(value: Json) -> _Making:
    return lambda _name, _kind: lambda _before: value


def _appending(values: Sequence[Json]) -> _Making:
    def making(name: str, kind: FieldType | None) -> Change:
        _refuse_single(name, kind)

        def change(before: Json) -> Json:
            after = _elements(name, before)
            held = {_same(kind, element) for element in after}
            for value in values:
                if (same := _same(kind, value)) not in held:
                    held.add(same)
                    after.append(value)
            return after

        return change

    return making


def _removing(values: Sequence[Json]) -> _Making:
    def making(name: str, kind: FieldType | None) -> Change:
        _refuse_single(name, kind)
        gone = {_same(kind, value) for value in values}

        def change(before: Json) -> Json:
            if before is None:
                return None
            return [element for element in _elements(name, before) if _same(kind, element) not in gone]

        return change

    return making


def _refuse_single(name: str, kind: FieldType | None) -> None:
    if kind is not None and not kind.many:
        raise InvalidField(name, f"holds one {kind}, not a list")


def _elements(name: str, before: Json) -> list[Json]:
    """Return a copy of the list."""
    if before is not None and not isinstance(before, list):
        raise InvalidField(name, "does not hold a list everywhere")
    return list(before or ())


def _same(kind: FieldType | None, element: Json) -> Hashable:
    """Return what equal elements have in common: the same time in two spellings is one."""
    if kind is not None:
        try:
            return True, typed(FieldType(kind.scalar), element)
        except Misfit:
            pass
    return False, json.dumps(element, sort_keys=True)


def _json(value: object) -> Json:
    return list(value) if isinstance(value, tuple) else value  # type: ignore[return-value]  # a fixed field's value

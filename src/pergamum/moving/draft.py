"""A row of another database as a chunk to store: checked as the server checks it, so that a dry run says the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic_core import to_json

from pergamum.client import ChunkOfDocument
from pergamum.domain.fields import ScalarType
from pergamum.domain.json import Json, JsonObject
from pergamum.domain.metadata import MAX_BYTES
from pergamum.domain.schema_keys import MARK
from pergamum.domain.vectors import Metric, Vector, check_vector
from pergamum.errors import DimensionMismatch, NotFinite, ZeroVector
from pergamum.moving.base import Row
from pergamum.moving.report import Lost, Report
from pergamum.moving.values import NoJson, as_json, is_rounded, kind_of, unicode_text
from pergamum.wire.common import MAX_TEXT

LONGEST_ID: Final = 256
LONGEST_URL: Final = 2_048


class LeftOut(Exception):
    """A row that cannot come. `reason` is the same for all such rows, `detail` is about this one."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True, slots=True)
class Draft:
    """A chunk and the document it goes into; `url` is the document's, where it is a document of its own."""

    id: str
    document_id: str
    chunk: ChunkOfDocument
    url: str | None


@dataclass(slots=True)
class Drafting:
    """Makes drafts of rows. The first vector fixes the dimension, unless it is known."""

    dimension: int | None
    metric: Metric
    types: Mapping[str, ScalarType]
    document: str | None

    def draft(self, row: Row, report: Report) -> Draft:
        """Return the row as a chunk; what of it cannot come is told to the report. Raises `LeftOut`."""
        id = _checked_id(row.id)
        vector = self._vector(row.vector)
        text = _text(row.text or "")
        metadata = self._metadata(id, row.metadata, report)
        for part in row.left:
            report.note(Lost.PART, part, id)
        if row.text is None:
            report.note(Lost.CHANGED, "have no text: theirs is empty", id)
        chunk = ChunkOfDocument(id=id, text=text, embedding=vector)
        if metadata:
            chunk["metadata"] = metadata
        return Draft(id, self._document_id(id, metadata), chunk, self._url(row.url, id, report))

    def _vector(self, vector: Vector | None) -> Vector:
        if vector is None or not vector.size:
            raise LeftOut("have no vector")
        try:
            check_vector(vector, self.dimension, self.metric)
        except DimensionMismatch as error:
            raise LeftOut("have a vector of another length", str(error)) from error
        except NotFinite as error:
            raise LeftOut("have a vector with numbers that are not finite", str(error)) from error
        except ZeroVector as error:
            raise LeftOut("have a vector of zeros, which has no direction for cosine") from error
        self.dimension = vector.size
        return vector

    def _metadata(self, id: str, given: Mapping[str, object], report: Report) -> JsonObject:
        """Return what JSON can carry, and count the type of each value."""
        found: JsonObject = {}
        for name, value in given.items():
            try:
                spelled = _carried(name, value)
            except NoJson as reason:
                report.note(Lost.PART, f"values of {name!r}: {reason}", id)
                continue
            if spelled is None:
                continue  # null is no value
            if is_rounded(value, spelled):
                report.note(Lost.CHANGED, f"values of {name!r}: decimals, rounded to float64", f"{id}: {value}")
            found[name] = spelled
        found = _fitting(id, found, report)
        for name, spelled in found.items():
            report.fields.watch(name, kind_of(given[name], spelled, self.types.get(name)))
        return found

    def _document_id(self, id: str, metadata: JsonObject) -> str:
        named = metadata.get(self.document) if self.document is not None else None
        if isinstance(named, str | int) and not isinstance(named, bool) and named != "":
            return _checked_id(str(named))
        return id

    def _url(self, url: str | None, id: str, report: Report) -> str | None:
        if url is None or (self.document is None and len(url) <= LONGEST_URL):
            return url
        why = "a document of many rows has one" if self.document is not None else f"over {LONGEST_URL:,} characters"
        report.note(Lost.PART, f"uris: {why}", id)
        return None


def _checked_id(id: str | None) -> str:
    if not id:
        raise LeftOut("have no id")
    if len(id) > LONGEST_ID:
        raise LeftOut(f"have an id of more than {LONGEST_ID} characters", f"{len(id):,} characters")
    if "\x00" in id:
        raise LeftOut("have an id with a NUL character")
    return _unicode(id, "an id")


def _text(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise LeftOut(f"have a text of more than {MAX_TEXT:,} characters", f"{len(text):,} characters")
    return _unicode(text, "a text")


def _unicode(text: str, what: str) -> str:
    try:
        return unicode_text(text)
    except NoJson as error:
        raise LeftOut(f"have {what} that is not Unicode") from error


def _carried(name: str, value: object) -> Json:
    if name.startswith(MARK):
        raise NoJson("a name that begins with U+001B")
    unicode_text(name)
    return as_json(value)


def _fitting(id: str, metadata: JsonObject, report: Report) -> JsonObject:
    """Return the metadata, without its largest values where it is over what a chunk may have."""
    if not metadata or len(to_json(metadata)) <= MAX_BYTES:
        return metadata
    kept = dict(metadata)
    for name in sorted(metadata, key=lambda name: -len(to_json(metadata[name]))):
        del kept[name]
        report.note(Lost.PART, f"values of {name!r}: metadata of more than {MAX_BYTES >> 10} KiB", id)
        if len(to_json(kept)) <= MAX_BYTES:
            break
    return kept

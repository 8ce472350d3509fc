"""What a checked filter must answer, in plain Python: the oracle of everything that evaluates filters.

Nothing is shared with the code that evaluates them, and nothing is clever: one document or chunk at a time, the
haversine formula word for word, its own idea of words. Random filters to try it on are in `random_filters.py`.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from math import asin, cos, radians, sin, sqrt
from typing import Any, TypeAlias

from pergamum.domain.chunk import Chunk
from pergamum.domain.document import Document
from pergamum.domain.fields import Column, GeoPoint, Level, ScalarType
from pergamum.domain.filters import And, Box, CheckedFilter, Circle, Not, Op, Or, Test
from pergamum.domain.schema import MetadataSchema

Given: TypeAlias = Any
"""A value as a document or chunk has it, or as a checked filter asks for it; None: no value."""

MEAN_RADIUS = 6_371_008.8


def holds(checked: CheckedFilter, document: Document, chunk: Chunk | None, schema: MetadataSchema) -> bool:
    """Whether the filter holds for the chunk, or, if that is None, for the document.

    REQUIRES: the chunk is of the document; `metadata` is by name, not by key, and fits the schema (nulls and fields
    left out included; names the schema does not know are ignored).
    """
    if isinstance(checked, And):
        return all(holds(part, document, chunk, schema) for part in checked.parts)
    if isinstance(checked, Or):
        return any(holds(part, document, chunk, schema) for part in checked.parts)
    if isinstance(checked, Not):
        return not holds(checked.part, document, chunk, schema)
    return _test_holds(checked, value_of(checked.column, document, chunk, schema))


def value_of(column: Column, document: Document, chunk: Chunk | None, schema: MetadataSchema) -> Given:
    """Return what the document or chunk has in the column, as a value of its type; None: no value. Lists are tuples.

    This is what listings order by and facets count, too.
    """
    owner = document if column.level is Level.DOCUMENT else chunk
    assert owner is not None, "a filter over documents sees no fields of chunks"
    if not column.metadata:
        return getattr(owner, column.key)
    (name,) = [name for name, field in schema.fields(column.level).items() if field.key == column.key]
    raw = owner.metadata.get(name)
    if raw is None:
        return None
    if column.type.many:
        assert isinstance(raw, list)
        return tuple(_read(column.type.scalar, item) for item in raw)
    return _read(column.type.scalar, raw)


def _read(kind: ScalarType, raw: Given) -> Given:
    if kind is ScalarType.FLOAT:
        return float(raw)
    if kind is ScalarType.UUID:
        return raw.lower()
    if kind is ScalarType.DATETIME:
        return datetime.fromisoformat(raw.upper()).astimezone(UTC)
    if kind is ScalarType.GEO_POINT:
        return GeoPoint(raw["lat"], raw["lon"])
    return raw


def _test_holds(test: Test, has: Given) -> bool:
    if test.op is Op.NE:
        return not _ANSWERS[Op.EQ](has, test.value)
    if test.op is Op.NIN:
        return not _ANSWERS[Op.IN](has, test.value)
    if test.op is Op.NONE_OF:
        return not _ANSWERS[Op.ANY_OF](has, test.value)
    if test.op is Op.EXISTS:
        return (has is not None) is test.value
    if test.op is Op.IS_NULL:
        return (has is None) is test.value
    return has is not None and _ANSWERS[test.op](has, test.value)


def _equal(one: Given, other: Given) -> bool:
    """Whether two values are the same, neither of them of another type: True is not 1, and 1 is not 1.0."""
    if one is None:
        return False
    assert type(one) is type(other), f"{one!r} was compared with {other!r}"
    return bool(one == other)


def _within(place: GeoPoint, area: Circle | Box) -> bool:
    if isinstance(area, Circle):
        return distance(place, area.center) <= area.radius
    if not area.south <= place.lat <= area.north:
        return False
    if area.west <= area.east:
        return area.west <= place.lon <= area.east
    return place.lon >= area.west or place.lon <= area.east


def distance(one: GeoPoint, other: GeoPoint) -> float:
    """Return metres along the great circle, by the haversine formula."""
    up = sin(radians(other.lat - one.lat) / 2) ** 2
    along = cos(radians(one.lat)) * cos(radians(other.lat)) * sin(radians(other.lon - one.lon) / 2) ** 2
    return 2 * MEAN_RADIUS * asin(min(1.0, sqrt(up + along)))


# Words, as far as the random texts need them: Latin, Greek, digits, Han characters (each a word by itself)


def _words(text: str) -> list[str]:
    plain = "".join(unicodedata.normalize("NFKD", character).lower() for character in text).replace("ς", "σ")
    kept = [character for character in plain if not unicodedata.category(character).startswith("M")]
    spaced = "".join(_spaced(character) for character in kept)
    return spaced.split()


def _spaced(character: str) -> str:
    if "\u4e00" <= character <= "\u9fff":
        return f" {character} "
    return character if unicodedata.category(character)[0] in "LN" else " "


def _matches(text: str, query: str) -> bool:
    """Whether all that is asked for stands in the text: phrases in quotes, prefixes before a star, words.

    REQUIRES: white space around each of them, and nothing in Han characters longer than two.
    """
    words = _words(text)
    for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', query):
        wanted = _words(quoted or plain)
        if not _stands_in(words, wanted, prefix=plain.endswith("*")):
            return False
    return True


def _stands_in(words: list[str], wanted: list[str], *, prefix: bool) -> bool:
    if not prefix:
        return any(words[at : at + len(wanted)] == wanted for at in range(len(words) - len(wanted) + 1))
    (start,) = wanted
    return any(word.startswith(start) for word in words)


_ANSWERS: Mapping[Op, Callable[[Given, Given], bool]] = {
    Op.EQ: _equal,
    Op.GT: lambda has, than: has > than,
    Op.GTE: lambda has, than: has >= than,
    Op.LT: lambda has, than: has < than,
    Op.LTE: lambda has, than: has <= than,
    Op.BETWEEN: lambda has, ends: ends[0] <= has <= ends[1],
    Op.IN: lambda has, wanted: any(_equal(has, one) for one in wanted),
    Op.STARTS_WITH: lambda has, start: has.startswith(start),
    Op.CONTAINS: lambda has, part: part in has,
    Op.MATCHES: _matches,
    Op.ANY_OF: lambda has, wanted: has is not None and any(_equal(item, one) for item in has for one in wanted),
    Op.ALL_OF: lambda has, wanted: all(any(_equal(item, one) for item in has) for one in wanted),
    Op.LEN: lambda has, lengths: (
        (lengths.low is None or lengths.low <= len(has)) and (lengths.high is None or len(has) <= lengths.high)
    ),
    Op.WITHIN: _within,
}

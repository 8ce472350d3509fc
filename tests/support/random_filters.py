"""Random schemas, documents and chunks that fit them, and filters whose conditions fit and hit what is stored.

The same few values of each type go into data and filters, so that equal values, bounds and empty lists meet often.
"""

from datetime import UTC, datetime
from typing import NamedTuple, TypeAlias

from hypothesis import strategies as st

from pergamum.domain.chunk import Chunk
from pergamum.domain.document import Document
from pergamum.domain.fields import CHUNK_COLUMNS, DOCUMENT_COLUMNS, Column, FieldType, Level, ScalarType
from pergamum.domain.filter_checking import column_of, operators
from pergamum.domain.filter_reading import read_filter
from pergamum.domain.filters import And, Filter, Not, Op, Or
from pergamum.domain.json import Json, JsonObject
from pergamum.domain.schema import MetadataField, MetadataSchema, SchemaMode

NAMES = ("year", "kind", "place", "notes", "title", "odd name", "document.year", "metadata.kind", "größe")
"""Of metadata fields: some hide a fixed field, or look like a prefix and a name."""
LISTABLE = tuple(kind for kind in ScalarType if kind not in {ScalarType.TEXT, ScalarType.GEO_POINT})
TYPES = (*map(FieldType, ScalarType), *(FieldType(kind, many=True) for kind in LISTABLE))
"""All types a field may have."""

VALUES: dict[ScalarType, tuple[Json, ...]] = {
    ScalarType.STRING: ("", "a", "ab", "b", "B", "9", "10", "é", "e\u0301", "moon", "\uffff", "\U0001f600"),
    ScalarType.TEXT: (
        "",
        "The moon pulls the sea.",
        "the sea; The MOON!",
        "moonlight over 東京",
        "Étude №5, e\u0301tude",
        "ΟΔΟΣ",
    ),
    ScalarType.INTEGER: (-(2**63), -1, 0, 1, 2, 3, 2**53, 2**53 + 1, 2**63 - 1),
    ScalarType.FLOAT: (-1e308, -1.5, -0.0, 0, 0.0, 5e-324, 0.1, 1, 2.5, 2**53 + 1, 1e308),
    ScalarType.BOOLEAN: (False, True),
    ScalarType.DATETIME: (
        "0001-01-01T00:00:00Z",
        "1969-12-31T23:59:59.5Z",
        "2025-12-31T23:59:59.999999Z",
        "2026-01-01T00:00:00Z",
        "2026-01-01T01:00:00+01:00",
        "2026-01-01t00:00:00.0000019z",
        "9999-12-31T23:59:59.999999Z",
    ),
    ScalarType.UUID: (
        "0b4c1f9e-52a3-4f0e-9d5a-7a3f6a1c2b3d",
        "0B4C1F9E-52A3-4F0E-9D5A-7A3F6A1C2B3D",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "00000000-0000-0000-0000-000000000000",
    ),
    ScalarType.GEO_POINT: (
        {"lat": 0, "lon": 0},
        {"lat": 52.5, "lon": 13.4},
        {"lat": -17, "lon": 179.5},
        {"lat": -17.5, "lon": -179.5},
        {"lat": 90, "lon": 0},
        {"lat": -90, "lon": -180},
        {"lat": 0, "lon": 180},
    ),
}
"""Values of each type, as JSON has them. Every two of them that say the same are spelled differently somewhere."""
FRACTIONS = (-0.5, 0.5, 2.5, 1e15 + 0.5)
RADII = (0, 1.5, 150_000, 6_000_000, 21_000_000)
"""Metres: no two of the places above are about so far apart, so no rounding decides."""
BOXES: tuple[Json, ...] = (
    {"south": -90, "west": -180, "north": 90, "east": 180},
    {"south": -17.5, "west": 179.5, "north": -17, "east": -179.5},
    {"south": 0, "west": 0, "north": 52.5, "east": 13.4},
    {"south": -18, "west": -180, "north": 0, "east": 0},
)
QUERIES = (
    "moon",
    "MOON sea",
    "moo*",
    '"the moon"',
    '"moon the"',
    "etude",
    "ÉTUDE no5",
    "東京",
    "οδος",
    "sea mo* nothing",
)
LENGTHS: tuple[Json, ...] = (0, 1, 2, {"gte": 1}, {"lte": 2}, {"gt": 0, "lt": 3}, {"gt": 5}, {"gte": 2, "lte": 1})
TIMES = tuple(datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2))


class Record(NamedTuple):
    """A document with its chunks."""

    document: Document
    chunks: tuple[Chunk, ...]


Records: TypeAlias = list[Record]


@st.composite
def schemas(draw: st.DrawFn, *, renamed: bool = False) -> MetadataSchema:
    """Return a schema with up to five fields for documents and for chunks, none required, of any types.

    With `renamed` some fields keep their values under another key, as after a renaming.
    """
    documents, chunks = draw(_fields(renamed)), draw(_fields(renamed))
    return MetadataSchema(SchemaMode.STRICT, documents, chunks)


def _fields(renamed: bool) -> st.SearchStrategy[dict[str, MetadataField]]:
    aside = st.booleans() if renamed else st.just(False)
    return st.dictionaries(st.sampled_from(NAMES), st.tuples(st.sampled_from(TYPES), aside), max_size=5).map(
        lambda fields: {
            name: MetadataField(f"key {at}" if apart else name, kind)
            for at, (name, (kind, apart)) in enumerate(fields.items())
        }
    )


def values(kind: FieldType) -> st.SearchStrategy[Json]:
    """Return a value of the type, as JSON has it; lists may be empty and hold a value twice."""
    one = st.sampled_from(VALUES[kind.scalar])
    return st.lists(one, max_size=3) if kind.many else one


def metadata(schema: MetadataSchema, level: Level) -> st.SearchStrategy[JsonObject]:
    """Return metadata that fits the schema: some fields are left out, some are null."""
    fields = {name: st.none() | values(field.type) for name, field in schema.fields(level).items()}
    return st.fixed_dictionaries({}, optional=fields)


@st.composite
def records(draw: st.DrawFn, schema: MetadataSchema, *, most: int = 4) -> Records:
    """Return up to `most` documents `d0`, `d1`, ... with up to three chunks each, `d0-0`, `d0-1`, ..."""
    return [draw(_record(schema, f"d{at}")) for at in range(draw(st.integers(0, most)))]


@st.composite
def _record(draw: st.DrawFn, schema: MetadataSchema, id: str) -> Record:
    chunks = tuple([draw(_chunk(schema, id, at)) for at in range(draw(st.integers(0, 3)))])
    strings = st.none() | st.sampled_from([str(value) for value in VALUES[ScalarType.STRING]])
    document = Document(
        id=id,
        title=draw(strings | st.sampled_from([str(text) for text in VALUES[ScalarType.TEXT]])),
        author=draw(strings),
        document_type=draw(strings),
        source_url=draw(strings),
        tags=tuple(draw(st.lists(st.sampled_from("abé"), max_size=3))),
        metadata=draw(metadata(schema, Level.DOCUMENT)),
        chunks=len(chunks),
        version=draw(st.integers(1, 3)),
        created_at=draw(st.sampled_from(TIMES)),
        updated_at=draw(st.sampled_from(TIMES)),
    )
    return Record(document, chunks)


@st.composite
def _chunk(draw: st.DrawFn, schema: MetadataSchema, document_id: str, at: int) -> Chunk:
    return Chunk(
        id=f"{document_id}-{at}",
        document_id=document_id,
        text=draw(st.sampled_from([str(text) for text in VALUES[ScalarType.TEXT]])),
        page_number=draw(st.none() | st.integers(0, 3)),
        chunk_index=at,
        metadata=draw(metadata(schema, Level.CHUNK)),
        version=draw(st.integers(1, 3)),
        created_at=draw(st.sampled_from(TIMES)),
        updated_at=draw(st.sampled_from(TIMES)),
    )


def names(schema: MetadataSchema, level: Level) -> list[str]:
    """Return names a filter over documents or chunks may use, with and without prefixes."""
    levels = [level] if level is Level.DOCUMENT else [level, Level.DOCUMENT]
    fixed = {Level.DOCUMENT: [*DOCUMENT_COLUMNS], Level.CHUNK: [*CHUNK_COLUMNS]}
    own = [("", name) for of in levels for name in (*fixed[of], *schema.fields(of))]
    prefixed = [(f"{of}.", name) for of in levels for name in (*fixed[of], *schema.fields(of))]
    of_metadata = [(prefix, name) for of in levels for prefix in ("", f"{of}.") for name in schema.fields(of)]
    spelled = (*own, *prefixed, *((f"{prefix}metadata.", name) for prefix, name in of_metadata))
    return [*dict.fromkeys(prefix + name for prefix, name in spelled)]


def filters(schema: MetadataSchema, level: Level, *, most: int = 8) -> st.SearchStrategy[Filter]:
    """Return a filter of about `most` conditions that fits the schema: `checked` takes it. Joins may be empty."""
    metadata_names = [name for name in names(schema, level) if column_of(name, schema, level).metadata]
    fixed = st.sampled_from([name for name in names(schema, level) if name not in metadata_names])
    named = fixed | st.sampled_from(metadata_names) if metadata_names else fixed
    return trees(named.flatmap(lambda name: conditions(name, column_of(name, schema, level))), most=most)


def trees(leaves: st.SearchStrategy[Filter], *, most: int = 8) -> st.SearchStrategy[Filter]:
    """Return the leaves joined by and, or, not."""

    def joined(inner: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
        parts = st.lists(inner, max_size=3).map(tuple)
        return parts.map(And) | parts.map(Or) | inner.map(Not)

    return st.recursive(leaves, joined, max_leaves=most)


@st.composite
def conditions(draw: st.DrawFn, name: str, column: Column) -> Filter:
    """Return a condition that the column takes."""
    op = draw(st.sampled_from(operators(column)))
    return read_filter({"field": name, "op": op.value, "value": draw(asked_values(op, column))})


def asked_values(op: Op, column: Column) -> st.SearchStrategy[Json]:
    """Return a value for the operator, as JSON has it."""
    one = _compared(op, column)
    if op in {Op.EXISTS, Op.IS_NULL}:
        return st.booleans()
    if op is Op.BETWEEN:
        return st.lists(one, min_size=2, max_size=2)
    if op is Op.MATCHES:
        return st.sampled_from(QUERIES)
    if op is Op.LEN:
        return st.sampled_from(LENGTHS)
    if op is Op.WITHIN:
        center = st.sampled_from(VALUES[ScalarType.GEO_POINT])
        return st.fixed_dictionaries({"center": center, "radius": st.sampled_from(RADII)}) | st.sampled_from(BOXES)
    return st.lists(one, max_size=4) if op in {Op.IN, Op.NIN, Op.ANY_OF, Op.ALL_OF, Op.NONE_OF} else one


def _compared(op: Op, column: Column) -> st.SearchStrategy[Json]:
    one = st.sampled_from(VALUES[column.type.scalar])
    if op in {Op.EQ, Op.NE, Op.IN, Op.NIN} and column.key in {"id", "document_id"} and not column.metadata:
        return st.sampled_from(["d0", "d1", "d0-0", "d1-1", ""])
    if column.type.scalar is ScalarType.INTEGER and op in {Op.GT, Op.GTE, Op.LT, Op.LTE, Op.BETWEEN}:
        return one | st.sampled_from(FRACTIONS)
    return one

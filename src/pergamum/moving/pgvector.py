"""Rows of a PostgreSQL table with a column of pgvector's types."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, Final

import numpy as np
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import tuple_row
from psycopg.types.json import set_json_loads

from pergamum.domain.fields import ScalarType
from pergamum.domain.vectors import Metric, Vector
from pergamum.moving.base import TEXT_NAMES, About, CannotMove, Choice, Cursor, Page, Row, chosen
from pergamum.moving.place import told

_DENSE: Final = ("vector", "halfvec")
_WITHOUT_JSON: Final = {"bytea": "bytes have no form in JSON", "sparsevec": "sparse vectors", "bit": "bits"}
_TYPES: Final = {"timestamptz": ScalarType.DATETIME, "uuid": ScalarType.UUID}
_FLOATS: Final = frozenset({"float4", "float8", "numeric"})
_NOT_FINITE: Final = frozenset({"NaN", "Infinity", "-Infinity"})
_METRICS: Final = {"cosine": Metric.COSINE, "ip": Metric.DOT, "l2": Metric.L2}

_COLUMNS: Final = """
select a.attname, t.typname, a.atttypmod, format_type(a.atttypid, a.atttypmod)
from pg_attribute a join pg_type t on t.oid = a.atttypid
where a.attrelid = %s::regclass and a.attnum > 0 and not a.attisdropped order by a.attnum"""
_KEY: Final = """
select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
where i.indrelid = %s::regclass and i.indisprimary"""
_OPERATORS: Final = """
select distinct o.opcname from pg_index i
cross join lateral unnest(i.indkey::int2[], i.indclass::oid[]) as part(place, operators)
join pg_attribute a on a.attrelid = i.indrelid and a.attnum = part.place join pg_opclass o on o.oid = part.operators
where i.indrelid = %s::regclass and a.attname = %s"""
_TABLES: Final = """
select distinct c.oid::regclass::text from pg_class c join pg_attribute a on a.attrelid = c.oid
join pg_type t on t.oid = a.atttypid
where c.relkind in ('r', 'p', 'v', 'm', 'f') and t.typname in ('vector', 'halfvec') and a.attnum > 0
and not a.attisdropped and pg_table_is_visible(c.oid)"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table; `width` is the dimension of a vector's column, -1 where it takes any."""

    name: str
    kind: str
    width: int
    spelled: str


class PgVector:
    """A table by ascending id, as it was when the reading began; the cursor is the id of the last row read.

    `place` is a DSN or a postgresql:// URL; libpq adds what PGPASSWORD, PGSERVICE and ~/.pgpass say.
    """

    def __init__(self, place: str, choice: Choice) -> None:
        if choice.texts is not None:
            raise CannotMove("a table has its texts itself; leave the option out")
        self._connection = _connected(place)
        try:
            names = [str(name) for (name,) in self._all(_TABLES)]
            self._table = self._found_table(names, choice)
            self._columns = {name: Column(name, *rest) for name, *rest in self._all(_COLUMNS, self._table)}
            self._choose(choice)
            info = self._connection.info
            self.about = self._known(f"{info.host}:{info.port}/{info.dbname} {self._table}")
        except BaseException as error:
            self._connection.close()
            if isinstance(error, psycopg.Error):
                raise CannotMove(f"cannot read {told(place)}: {told(str(error))}") from error
            raise

    def pages(self, after: Cursor, size: int) -> Iterator[Page]:
        """Yield pages by ascending id, through a cursor of the server's."""
        try:
            with self._connection.cursor("pergamum", binary=True, row_factory=tuple_row) as cursor:
                cursor.execute(self._query(after is not None), None if after is None else (after,))
                while found := cursor.fetchmany(size):
                    yield Page([self._row(*cells) for cells in found], found[-1][0])
        except psycopg.Error as error:
            raise CannotMove(f"cannot read {self.about.name} after {after}: {error}") from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _all(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, values or None).fetchall()

    def _found_table(self, names: Sequence[str], choice: Choice) -> str:
        """Return the table as SQL names it; one that is named need not be in the search path."""
        if choice.collection is None:
            return chosen("table with vectors", names, None, "--table")
        found = self._all("select to_regclass(%s)::text", choice.collection)[0][0]
        if found is None:
            return chosen("table with vectors", names, choice.collection, "--table")
        return str(found)

    def _choose(self, choice: Choice) -> None:
        columns = self._columns
        dense = [name for name, column in columns.items() if column.kind in _DENSE]
        self._vector = chosen("column of vectors", dense, choice.vector, "--vector-column")
        keys = [str(name) for (name,) in self._all(_KEY, self._table)]
        self._id = chosen(
            "column of ids", list(columns), choice.id or (keys[0] if len(keys) == 1 else None), "--id-column"
        )
        usual = next((name for name in TEXT_NAMES if name in columns), None)
        text = choice.text or usual
        self._text = None if text is None else chosen("column", list(columns), text, "--text-column")
        inner = choice.metadata
        self._metadata = None if inner is None else chosen("column", list(columns), inner, "--metadata-column")
        taken = {self._id, self._vector, self._text, *dense}
        others = [column for name, column in columns.items() if name not in taken]
        self._carried = [column for column in others if column.kind not in _WITHOUT_JSON]
        self._left = [column for column in others if column.kind in _WITHOUT_JSON]
        self._dense = [name for name in dense if name != self._vector]

    def _known(self, name: str) -> About:
        width = self._columns[self._vector].width
        count = self._connection.execute(sql.SQL("select count(*) from {}").format(self._from())).fetchone()
        return About(
            name=name,
            count=None if count is None else int(count[0]),
            dimension=width if width > 0 else None,
            metric=self._metric(),
            types={column.name: _TYPES[column.kind] for column in self._carried if column.kind in _TYPES},
            left=(
                *(f"the vectors of column {column!r}" for column in self._dense),
                *(f"column {column.name!r} ({column.spelled}): {_WITHOUT_JSON[column.kind]}" for column in self._left),
            ),
        )

    def _metric(self) -> Metric | None:
        """Return the metric of the indexes of the column, None where there is none or they differ."""
        names = [str(name) for (name,) in self._all(_OPERATORS, self._table, self._vector)]
        found = {_METRICS.get(name.removesuffix("_ops").rpartition("_")[2]) for name in names}
        return found.pop() if len(found) == 1 else None

    def _from(self) -> sql.SQL:
        return sql.SQL(self._table)

    def _query(self, resumed: bool) -> sql.Composed:
        id, text = sql.Identifier(self._id), sql.Identifier(self._text) if self._text else sql.NULL
        carried = sql.SQL(", ").join(sql.SQL("t.{}").format(sql.Identifier(column.name)) for column in self._carried)
        metadata = sql.SQL("(select to_jsonb(x) from (select {}) x)").format(carried) if self._carried else sql.NULL
        after = sql.SQL("where t.{} > %s::{}").format(id, sql.SQL(self._columns[self._id].spelled))
        return sql.SQL(
            "select t.{id}::text, vector_send(t.{vector}::vector), {text}::text, {metadata}"
            " from {table} t {after} order by t.{id}"
        ).format(
            id=id,
            vector=sql.Identifier(self._vector),
            text=sql.SQL("t.{}").format(text) if self._text else text,
            metadata=metadata,
            table=self._from(),
            after=after if resumed else sql.SQL(""),
        )

    def _row(self, id: str | None, vector: bytes | None, text: str | None, found: Mapping[str, object] | None) -> Row:
        metadata = {name: self._value(name, value) for name, value in (found or {}).items()}
        inner = metadata.pop(self._metadata, None) if self._metadata is not None else None
        whole = metadata | inner if isinstance(inner, dict) else metadata
        return Row(id=id, vector=_numbers(vector), text=text, metadata=whole)

    def _value(self, name: str, value: object) -> object:
        """Return the value as it was before JSON spelled it: what is not finite comes as text."""
        if isinstance(value, str) and value in _NOT_FINITE and self._columns[name].kind in _FLOATS:
            return float(value)
        return value


def _connected(place: str) -> psycopg.Connection[tuple[Any, ...]]:
    """Return a connection that only reads, and sees the table as it is now. Raises `CannotMove`, without secrets."""
    try:
        conninfo_to_dict(place)
    except psycopg.ProgrammingError:
        raise CannotMove("that is no DSN, such as postgresql://user@host/database") from None  # it quotes the DSN
    try:
        connection = psycopg.connect(place, application_name="pergamum import")
    except psycopg.Error as error:
        raise CannotMove(f"cannot connect to {told(place)}: {told(str(error))}") from error
    connection.read_only = True
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    set_json_loads(partial(json.loads, parse_float=Decimal), connection)
    return connection


def _numbers(sent: bytes | None) -> Vector | None:
    """Return a vector as pgvector sends it: its dimension, two bytes of nothing, and float32, all big-endian."""
    return None if sent is None else np.frombuffer(sent, ">f4", offset=4).astype(np.float32)

"""Moving in from PostgreSQL with pgvector: from a real server."""

from collections.abc import Iterator
from itertools import count

import numpy as np
import psycopg
import pytest

from pergamum.client import Pergamum
from pergamum.domain.vectors import Metric
from pergamum.moving.base import CannotMove, Choice
from pergamum.moving.mover import Move, State, drafting, move
from pergamum.moving.opening import opened
from tests.moving.postgres import Postgres, running_postgres
from tests.moving.sample import (
    DIMENSION,
    ROWS,
    Vectors,
    assert_same_vectors,
    metadata,
    nearest,
    stored_vectors,
    texts,
    types,
    vectors,
)

pytestmark = pytest.mark.xdist_group("postgres")

TABLES = count()
OPERATORS = {"l2": "<->", "ip": "<#>", "cosine": "<=>"}
IDS = [f"row {number:02}" for number in range(ROWS)]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """One server for all tests; each makes its own table."""
    with running_postgres() as postgres:
        yield postgres


@pytest.fixture
def table() -> str:
    return f"table_{next(TABLES)}"


def spelled(vector: Vectors) -> str:
    return "[" + ",".join(repr(float(number)) for number in vector) + "]"


def filled(postgres: Postgres, table: str, kind: str = "vector") -> None:
    postgres.run(f"create table {table} (id text primary key, embedding {kind}({DIMENSION}), content text, year int)")
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        rows = [
            (id, spelled(vector), f"text of {id}", at)
            for at, (id, vector) in enumerate(zip(IDS, vectors(), strict=True))
        ]
        connection.cursor().executemany(f"insert into {table} values (%s, %s, %s, %s)", rows)


@pytest.mark.parametrize(("operators", "metric"), [("l2", "l2"), ("ip", "dot"), ("cosine", "cosine")])
def test_a_table_arrives_whole_and_finds_the_same_neighbours(
    postgres: Postgres, client: Pergamum, name: str, table: str, operators: str, metric: str
) -> None:
    filled(postgres, table)
    postgres.run(f"create index on {table} using hnsw (embedding vector_{operators}_ops)")

    with opened("pgvector", postgres.dsn, Choice(collection=table)) as source:
        report = move(source, client, name)

    library = client.libraries.get(name)
    assert (report.moved, report.left_out, list(report.lines())) == (ROWS, 0, [])
    assert library.info().metric == metric
    assert_same_vectors(library, IDS, vectors())
    assert (texts(library)[IDS[3]], metadata(library)[IDS[3]]) == ("text of row 03", {"year": 3})
    for question in vectors(5, seed=8):
        found = postgres.run(
            "set enable_indexscan = off",
            f"select id from {table} order by embedding {OPERATORS[operators]} '{spelled(question)}' limit 10",
        )
        assert nearest(library, question) == [id for (id,) in found]


def test_every_type_of_column_comes_or_is_told(postgres: Postgres, client: Pergamum, name: str, table: str) -> None:
    postgres.run(
        f"create type {table}_mood as enum ('good', 'bad')",
        f"""create table {table} (id bigserial primary key, e vector(2), half halfvec(2), sparse sparsevec(2),
        bits bit(2), at timestamptz, naive timestamp, day date, name uuid, price numeric, raw bytea,
        mood {table}_mood, tags text[], small real,
        ratio double precision, took interval, deep jsonb, "odd ""name" int, document text)""",
        f"""insert into {table} values (1, '[0.1,2]', '[1,2]', '{{1:1}}/2', '10', '2026-11-21 09:30Z',
        '2026-11-21 09:30', '2026-11-21', '0b3c1a52-98b0-4a57-8d1c-2f0f4c1d9e77', 1.50, 'raw', 'good',
        '{{a,b}}', 0.1, 'NaN', '1 day', '{{"a": [1, 2.5]}}', 7, 'words')""",
        f"insert into {table} (id, e, at, price) values (2, '[3,4]', 'infinity', 0.12345678901234567890)",
        f"insert into {table} (id) values (3)",
    )

    with opened("pgvector", postgres.dsn, Choice(collection=table, vector="e", metric=Metric.L2)) as source:
        left = source.about.left
        report = move(source, client, name, Choice(metric=Metric.L2))

    library = client.libraries.get(name)
    assert {id: vector.tolist() for id, vector in stored_vectors(library).items()} == {
        "1": [np.float32(0.1), 2.0],
        "2": [3.0, 4.0],
    }
    assert texts(library) == {"1": "words", "2": ""}
    first = metadata(library)["1"]
    assert first == {
        "at": "2026-11-21T09:30:00+00:00",
        "naive": "2026-11-21T09:30:00",
        "day": "2026-11-21",
        "name": "0b3c1a52-98b0-4a57-8d1c-2f0f4c1d9e77",
        "price": 1.5,
        "mood": "good",
        "tags": ["a", "b"],
        "small": 0.1,
        "took": "1 day",
        "deep": {"a": [1, 2.5]},
        'odd "name': 7,
    }
    expected = {
        "name": "uuid",
        "price": "float",
        "tags": "list[string]",
        "at": "string",
        "naive": "string",
        "day": "string",
    }
    assert expected.items() <= types(library).items()
    assert {found.reason: found.examples for found in report.findings.values()} == {
        "have no vector": ["3"],
        "have no text: theirs is empty": ["2"],
        "values of 'ratio': a number that is not finite": ["1"],
        "values of 'price': decimals, rounded to float64": ["2: 0.12345678901234567890"],
    }
    assert left == (
        "the vectors of column 'half'",
        "column 'sparse' (sparsevec(2)): sparse vectors",
        "column 'bits' (bit(2)): bits",
        "column 'raw' (bytea): bytes have no form in JSON",
    )


def test_the_metadata_and_the_document_of_a_row_may_lie_in_a_column_of_json(
    postgres: Postgres, client: Pergamum, name: str, table: str
) -> None:
    postgres.run(
        f"create table {table} (id uuid primary key default gen_random_uuid(), e vector(2), document text, meta jsonb)",
        f"""insert into {table} (e, document, meta) select array[n, 1]::vector, 'part ' || n,
        jsonb_build_object('source', 'file ' || n % 2, 'page', n) from generate_series(1, 6) n""",
    )
    choice = Choice(collection=table, metadata="meta", document="source", metric=Metric.DOT)

    with opened("pgvector", postgres.dsn, choice) as source:
        move(source, client, name, choice)

    library = client.libraries.get(name)
    assert [(document.id, document.chunks) for document in library.documents.list()] == [("file 0", 3), ("file 1", 3)]
    assert {chunk.metadata["page"] for chunk in library.chunks.list(document="file 0")} == {2, 4, 6}


def test_a_move_goes_on_after_the_last_id_and_halves_are_exact(
    postgres: Postgres, client: Pergamum, name: str, table: str
) -> None:
    filled(postgres, table, "halfvec")
    choice = Choice(collection=table, metric=Metric.L2)
    library = client.libraries.create(name=name, metric="l2", dimension=DIMENSION, embedding_model=None)
    with opened("pgvector", postgres.dsn, choice) as source:
        state = State(cursor=next(iter(source.pages(None, 25))).cursor)
    with opened("pgvector", postgres.dsn, choice) as source:
        Move(source, library, drafting(source.about, choice, library), state).run(size=10)

    assert_same_vectors(library, IDS[25:], vectors()[25:].astype(np.float16).astype(np.float32))


def test_it_has_to_be_clear_what_is_meant(postgres: Postgres, client: Pergamum, table: str) -> None:
    postgres.run(
        f"create table {table} (id int, e vector, f vector(2))",
        f"create table {table}_b (id int primary key, e vector(2))",
    )

    for choice, told in (
        (Choice(), "choose the table with vectors with --table; there are: .*table_"),
        (Choice(collection="none"), "there is no table with vectors 'none'"),
        (Choice(collection=table), "choose the column of vectors with --vector-column; there are: e, f"),
        (Choice(collection=table, vector="e"), "choose the column of ids with --id-column"),
        (Choice(collection=table, vector="e", id="id", text="none"), "there is no column 'none'"),
    ):
        with pytest.raises(CannotMove, match=told), opened("pgvector", postgres.dsn, choice):
            pass
    with (
        opened("pgvector", postgres.dsn, Choice(collection=f"{table}_b")) as source,
        pytest.raises(CannotMove, match="does not say how its vectors are compared"),
    ):
        move(source, client, "never made")


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://me:hunter2@127.0.0.1:9/x",  # pragma: allowlist secret - made up
        "host=127.0.0.1 port=9 user=me password=hunter2",  # pragma: allowlist secret - made up
        "host=127.0.0.1 port=9 user=me password='hunter2 hunter2'",  # pragma: allowlist secret - made up
        "password hunter2",
        "postgresql://me@127.0.0.1:9/x?password=hunter2",  # pragma: allowlist secret - made up
    ],
)
def test_a_password_is_never_told(dsn: str) -> None:
    with pytest.raises(CannotMove) as caught, opened("pgvector", dsn):
        pass

    told = "".join(map(str, (caught.value, caught.value.__notes__ if hasattr(caught.value, "__notes__") else "")))
    assert "hunter2" not in told

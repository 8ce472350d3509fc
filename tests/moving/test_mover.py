"""A move: what comes, what is left out and told, and that it goes on where it ended."""

from decimal import Decimal
from typing import Any

import pytest

from pergamum.client import Library, Pergamum
from pergamum.domain.fields import ScalarType
from pergamum.domain.vectors import Metric
from pergamum.moving.base import CannotMove, Choice, Row, as_vector
from pergamum.moving.mover import Move, RowLeftOut, State, drafting, move
from pergamum.moving.report import Lost, Report
from tests.moving.rows import Listed, not_finite, row, rows
from tests.moving.sample import metadata, stored_vectors, texts, types


def told(report: Report, lost: Lost = Lost.ROW) -> dict[str, int]:
    return {found.reason: found.count for found in report.of(lost)}


def moving(source: Listed, library: Library | None, state: State | None = None, **choice: Any) -> Move:  # noqa: ANN401
    chosen = Choice(**choice)
    return Move(source, library, drafting(source.about, chosen, library), state or State(made=True))


def flat(client: Pergamum, name: str, mode: str = "open") -> Library:
    return client.libraries.create(
        name=name,
        metric="l2",
        dimension=2,
        embedding_model=None,
        metadata_schema={"mode": mode},  # type: ignore[typeddict-item]
    )


URLS = {"a": "file:///a", "b": f"file:///{'b' * 3_000}"}
LEFT_OUT = {
    "have no id": row(None),
    "have an id of more than 256 characters": row("x" * 257),
    "have an id with a NUL character": row("a\x00b"),
    "have an id that is not Unicode": row("\ud800"),
    "have a text that is not Unicode": row("surrogate", text="\ud800"),
    "have no vector": row("none", None),
    "have a vector of another length": row("long", (1.0, 2.0, 3.0)),
    "have a vector with numbers that are not finite": row("infinite", not_finite()),
    "have a vector of zeros, which has no direction for cosine": row("zero", (0.0, 0.0)),
}


def test_rows_that_cannot_come_are_told_and_the_others_come(client: Pergamum, name: str) -> None:
    source = Listed([row("first"), *LEFT_OUT.values(), row("x" * 256)], Metric.COSINE)

    report = move(source, client, name)

    assert told(report) == dict.fromkeys(LEFT_OUT, 1)
    assert (report.read, report.moved, report.left_out) == (11, 2, 9)
    assert stored_vectors(client.libraries.get(name)).keys() == {"first", "x" * 256}


def test_a_dry_run_says_what_a_move_would(client: Pergamum, name: str) -> None:
    source = Listed([row("first", v=b"raw"), *LEFT_OUT.values()], Metric.COSINE)

    dry = moving(source, None).run()

    assert dry == move(source, client, name)


def test_the_first_row_that_cannot_come_may_end_the_move(client: Pergamum, name: str) -> None:
    library = flat(client, name)
    state = State(made=True)
    source = Listed([*rows(4), row("bad", None), *rows(4, start=4)])

    with pytest.raises(RowLeftOut, match=r"have no vector \(bad\)"):
        moving(source, library, state).run(size=2, abort=True)

    assert (state.cursor, state.report.moved, library.refresh().chunks) == (4, 4, 4)


@pytest.mark.parametrize("document", [None, "n"])
def test_a_move_that_ended_early_goes_on_and_duplicates_nothing(
    client: Pergamum, name: str, document: str | None
) -> None:
    library, state = flat(client, name), State(made=True)
    kept: list[int] = []
    source = Listed(rows(30), ends_after=20)
    with pytest.raises(CannotMove, match="is gone"):
        moving(source, library, state, document=document).run(size=8, keep=lambda s: kept.append(s.report.read))
    source.ends_after = None
    state.cursor = 16  # the last page was stored, but its progress lost
    state.report.read = state.report.moved = 16

    report = moving(source, library, state, document=document).run(size=8)

    assert kept == [8, 16, 24]
    assert (report.read, report.moved, report.left_out) == (30, 30, 0)
    assert (library.refresh().chunks, library.refresh().documents) == (30, 30)
    assert types(library) == {"n": "integer"}


def test_rows_may_be_chunks_of_the_documents_they_name(client: Pergamum, name: str) -> None:
    found = [row(f"row {n}", (n, 1.0), f"part {n}", source=("a", "b", 7, None)[n % 4], n=n) for n in range(12)]
    library = flat(client, name)
    library.documents.add(id="a", title="kept as it is")

    report = moving(Listed(found), library, document="source").run(size=5)

    assert report.moved == 12
    documents = {document.id: document.chunks for document in library.documents.list()}
    assert documents == {"a": 3, "b": 3, "7": 3, "row 3": 1, "row 7": 1, "row 11": 1}
    assert library.documents.get("a").title == "kept as it is"
    assert [chunk.text for chunk in library.chunks.list(document="b")] == ["part 1", "part 5", "part 9"]
    assert metadata(library)["row 0"] == {"source": "a", "n": 0}


def test_a_document_that_another_program_makes_meanwhile_stays_as_it_is(
    client: Pergamum, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = flat(client, name)
    library.documents.add(id="a", title="kept as it is")
    answers = [[], *[library.documents.list()] * 2]
    monkeypatch.setattr(library.documents, "list", lambda **_: answers.pop(0))

    report = moving(Listed([row("1", source="a"), row("2", source="b")]), library, document="source").run()

    assert report.moved == 2
    assert (library.documents.get("a").title, library.documents.get("b").chunks) == ("kept as it is", 1)


def test_of_rows_with_one_id_the_last_comes(client: Pergamum, name: str) -> None:
    found = [row("a", text="1"), row("a", text="2"), row("b"), row("a", text="3")]

    library = flat(client, name)
    report = moving(Listed(found), library).run(size=2)

    assert (report.moved, report.left_out) == (2, 2)
    assert texts(library) == {"a": "3", "b": ""}
    assert told(report) == {
        "have the id of a later row, which takes their place": 1,
        "have the id of a later row, which took their place": 1,
    }


def test_a_uri_is_the_url_of_its_document_where_that_can_have_one(client: Pergamum, name: str) -> None:
    found = [Row(id=id, vector=as_vector([1, 2]), text="", metadata={}, url=url) for id, url in URLS.items()]
    library = flat(client, name)

    report = moving(Listed(found), library).run()
    shared = moving(Listed(found), None, document="group").run()

    assert {document.id: document.source_url for document in library.documents.list()} == {"a": "file:///a", "b": None}
    assert told(report, Lost.PART) == {"uris: over 2,048 characters": 1}
    assert told(shared, Lost.PART) == {"uris: a document of many rows has one": 2}


@pytest.mark.parametrize("document", [None, "group"])
def test_what_the_library_refuses_is_told(client: Pergamum, name: str, document: str | None) -> None:
    library = flat(client, name, "inferred")
    library.documents.add(id="there", chunks=[{"id": "there", "text": "", "embedding": [1, 1], "metadata": {"n": 1}}])
    source = Listed([*rows(3), row("bad", n="many", group="g"), row("good", n=4, group="g")])

    report = moving(source, library, State(), document=document).run()

    assert (report.moved, report.left_out) == (4, 1)
    (found,) = report.of(Lost.ROW)
    assert found.reason == "the library refuses: invalid-metadata"
    assert found.examples[0].startswith("bad: ")
    assert stored_vectors(library).keys() == {"0000", "0001", "0002", "good", "there"}


def test_values_come_as_json_and_what_has_none_is_told(client: Pergamum, name: str) -> None:
    deep: Any = 1
    for _ in range(16):
        deep = [deep]
    values: dict[str, Any] = {"raw": b"x", "huge": 2**63, "nan": float("nan"), "deep": deep, "odd": object()}
    values |= {"price": Decimal("1.1"), "none": None, "name": "\ud800", "\x1bkey": 1}

    library = flat(client, name)
    report = moving(Listed([row("a", **values)]), library).run()

    assert metadata(library) == {"a": {"price": 1.1}}
    assert told(report, Lost.PART) == {
        "values of 'raw': bytes has no form in JSON": 1,
        "values of 'huge': an integer beyond 64 bits": 1,
        "values of 'nan': a number that is not finite": 1,
        "values of 'deep': is nested deeper than 15 levels": 1,
        "values of 'odd': object has no form in JSON": 1,
        "values of 'name': a text with lone surrogates": 1,
        "values of '\\x1bkey': a name that begins with U+001B": 1,
    }


def test_metadata_that_is_too_large_loses_its_largest_values(client: Pergamum, name: str) -> None:
    library = flat(client, name)

    values: dict[str, Any] = {"small": 1, "first": "x" * 40_000, "second": "x" * 50_000, "third": "x" * 60_000}

    report = moving(Listed([row("a", **values)]), library).run()

    assert metadata(library)["a"].keys() == {"small", "first"}
    assert told(report, Lost.PART) == {
        "values of 'third': metadata of more than 64 KiB": 1,
        "values of 'second': metadata of more than 64 KiB": 1,
    }


def test_fields_are_declared_with_the_types_that_all_their_values_have(client: Pergamum, name: str) -> None:
    library = flat(client, name)
    time, day = "2026-11-21T09:30:00Z", "2026-11-21"
    found: list[Row] = [
        row(
            "a",
            whole=1,
            number=1,
            either=1,
            at=time,
            on=time,
            prose="x",
            tags=[],
            flag=True,
            place={"lat": 1, "lon": 2},
        ),
        row(
            "b",
            whole=2,
            number=0.5,
            either="1",
            at=time,
            on=day,
            prose="y",
            tags=["a"],
            flag=1,
            place={"lat": 91, "lon": 2},
        ),
    ]
    spelled = {"at": ScalarType.DATETIME, "on": ScalarType.DATETIME, "prose": ScalarType.TEXT}

    report = moving(Listed(found, types=spelled), library).run()

    assert types(library) == {
        "whole": "integer",
        "number": "float",
        "at": "datetime",
        "on": "string",
        "prose": "text",
        "tags": "list[string]",
    }
    assert library.schema.get().mode == "inferred"
    assert report.fields.untyped() == {
        "either": {"integer": 1, "string": 1},
        "flag": {"boolean": 1, "integer": 1},
        "place": {"geo_point": 1, "mixed or nested values": 1},
    }
    assert metadata(library)["b"]["place"] == {"lat": 91, "lon": 2}


def test_the_fields_of_a_library_that_was_there_stay_as_they_are(client: Pergamum, name: str) -> None:
    library = flat(client, name)

    move(Listed(rows(3)), client, name)

    assert (types(library), library.schema.get().mode) == ({}, "open")


@pytest.mark.parametrize(
    ("settings", "choice", "said"),
    [
        ({"metric": "cosine", "dimension": 2}, Choice(), "compares by cosine, a list by l2; --metric cosine"),
        ({"metric": "l2", "dimension": 3}, Choice(), "has 3 dimensions, a list 2"),
        ({"metric": "l2", "dimension": 2}, Choice(metric=Metric.DOT), "compares by l2, a list by dot"),
    ],
)
def test_a_library_of_another_kind_is_refused(
    client: Pergamum,
    name: str,
    settings: Any,  # noqa: ANN401 - fields of a library
    choice: Choice,
    said: str,
) -> None:
    client.libraries.create(name=name, embedding_model=None, **settings)

    with pytest.raises(CannotMove, match=said):
        move(Listed(rows(1)), client, name, choice)


def test_vectors_of_any_length_get_the_dimension_of_the_first(client: Pergamum, name: str) -> None:
    report = move(Listed([*rows(1), row("long", (1, 2, 3))], dimension=None), client, name)

    assert client.libraries.get(name).info().dimension == 2
    assert told(report) == {"have a vector of another length": 1}


def test_one_page_is_asked_for_at_a_time(client: Pergamum, name: str) -> None:
    source = Listed(rows(25))
    asked: list[int] = []

    moving(source, flat(client, name)).run(size=10, show=lambda read, _: asked.append(read - sum(source.sizes)))

    assert source.sizes == [10, 10, 5]
    assert asked == [0, 0, 0]

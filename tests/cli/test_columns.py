"""From rows to documents."""

from pathlib import Path

import pytest

from pergamum.cli.columns import Columns, spare_id
from pergamum.cli.tables import BadRow, Fields

PLAIN = Columns.parsed([])


def test_columns_named_like_fields_are_fields_and_the_others_metadata() -> None:
    row = {"id": 7, "title": "Tides", "text": "The moon.", "tags": "sea, moon", "year": 1999, "note": None}

    document = PLAIN.document(row, "spare")

    assert document == {
        "id": "7",
        "title": "Tides",
        "tags": ["sea", "moon"],
        "metadata": {"year": 1999},
        "text": "The moon.",
    }


def test_a_chosen_column_takes_the_place_of_the_default() -> None:
    columns = Columns.parsed(["text=abstract", "id=doi"])

    document = columns.document({"doi": "10/1", "abstract": "Short.", "text": "Long."}, "spare")

    assert document == {"id": "10/1", "text": "Short.", "metadata": {"text": "Long."}}


@pytest.mark.parametrize("choice", ["text", "colour=red", "=x"])
def test_a_choice_that_is_none_is_refused(choice: str) -> None:
    with pytest.raises(ValueError, match="FIELD=COLUMN"):
        Columns.parsed([choice])


@pytest.mark.parametrize("vector", [[0.5, 1.5], "[0.5, 1.5]"])
def test_a_text_with_a_vector_is_a_chunk(vector: object) -> None:
    document = PLAIN.document({"text": "a", "vector": vector}, "spare")

    assert document == {"id": "spare", "chunks": [{"text": "a", "embedding": [0.5, 1.5]}]}


def test_metadata_that_is_given_wins_over_a_column_of_the_same_name() -> None:
    document = PLAIN.document({"text": "a", "year": 1, "kind": "x", "metadata": {"year": 2}}, "spare")

    assert document["metadata"] == {"year": 2, "kind": "x"}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"title": "only"}, "columns are title"),
        ({}, "columns are none"),
        ({"text": ["a"]}, "neither text nor a number"),
        ({"text": "a", "id": True}, "neither text nor a number"),
        ({"text": "a", "tags": 3}, "tags"),
        ({"text": "a", "metadata": "[1"}, "not JSON"),
        ({"text": "a", "metadata": [1]}, "not an object"),
    ],
)
def test_a_row_that_is_no_document_says_why(row: Fields, reason: str) -> None:
    with pytest.raises(BadRow, match=reason):
        PLAIN.document(row, "spare")


def test_the_id_of_a_row_without_one_depends_on_file_and_row_alone(tmp_path: Path) -> None:
    one, other = tmp_path / "a.jsonl", tmp_path / "b.jsonl"

    assert spare_id(one, 1) == spare_id(tmp_path / "x" / ".." / "a.jsonl", 1)
    assert len({spare_id(one, 1), spare_id(one, 2), spare_id(other, 1)}) == 3

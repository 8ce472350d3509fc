"""docs/filters.md says what the code does: its first example, its table of operators, its limits."""

import json
import re

import pytest

from pergamum.client import F
from pergamum.domain.fields import Column, FieldType, Level, ScalarType
from pergamum.domain.filter_checking import operators
from pergamum.domain.filter_reading import MAX_CONDITIONS, MAX_DEPTH, MAX_NAME, MAX_STRING, MAX_VALUES, read_filter
from pergamum.wire.filters import MAX_QUERY
from tests.support.source import ROOT

PAGE = ROOT / "docs" / "filters.md"


def test_the_first_example_is_the_same_in_json_and_in_python() -> None:
    first = re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)[0]
    built = (
        (F.year >= 2020)
        & (F.document.title.matches('"moon landing" apollo*') | F.tags.any_of(["space", "history"]))
        & ~F.place.within_circle(52.52, 13.4, radius=5000)
    )

    assert read_filter(json.loads(first)) == built.filter


@pytest.mark.parametrize("kind", [*map(FieldType, ScalarType), FieldType(ScalarType.STRING, many=True)], ids=str)
def test_the_table_lists_the_operators_of_each_type(kind: FieldType) -> None:
    rows = re.findall(r"^\| (.*?) \| (`.*?) \|$", PAGE.read_text(), re.MULTILINE)
    name = "lists" if kind.many else f"`{kind}`"

    (listed,) = [right for left, right in rows if name in left.split(", ")]

    assert sorted(re.findall(r"`(\w+)`", listed)) == sorted(operators(Column(Level.CHUNK, "x", kind, metadata=True)))


def test_the_limits_are_those_of_the_code() -> None:
    page = PAGE.read_text()

    for limit in (MAX_DEPTH, MAX_CONDITIONS, MAX_VALUES, MAX_STRING, MAX_NAME, MAX_QUERY):
        assert re.search(rf"\| .*\b{limit:,}\b.* \|", page), limit

"""Filters of LangChain's style as Pergamum's; that they mean the same is shown against a server in test_langchain."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pergamum.adapters.langchain_filters import filter_json
from pergamum.client import F
from pergamum.client.filters import FilterLike, as_json

YEAR = F["chunk.metadata.year"]
KIND = F["chunk.metadata.kind"]
TAGS = F["chunk.metadata.tags"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"year": 2020}, YEAR == 2020),
        ({"year": None}, YEAR.is_null()),
        ({"year": {"$ne": None}}, YEAR.exists()),
        ({"year": {"$eq": 2020}}, YEAR == 2020),
        ({"year": {"$ne": 2020}}, YEAR != 2020),
        ({"year": {"$gt": 2020}}, YEAR > 2020),
        ({"year": {"$gte": 2020, "$lt": 2030}}, (YEAR >= 2020) & (YEAR < 2030)),
        ({"year": {"$lte": 2020}}, YEAR <= 2020),
        ({"year": {"$in": [1, 2]}}, YEAR.in_([1, 2])),
        ({"year": {"$nin": [1, 2]}}, YEAR.not_in([1, 2])),
        ({"year": {"$between": [1, 2]}}, YEAR.between(1, 2)),
        ({"year": {"$exists": True}}, YEAR.exists()),
        ({"year": {"$exists": False}}, YEAR.is_null()),
        ({"kind": {"$starts_with": "me"}}, KIND.starts_with("me")),
        ({"kind": {"$contains": "em"}}, KIND.contains("em")),
        ({"kind": {"$matches": "memo*"}}, KIND.matches("memo*")),
        ({"tags": {"$any_of": ["a"]}}, TAGS.any_of(["a"])),
        ({"tags": {"$all_of": ["a"]}}, TAGS.all_of(["a"])),
        ({"tags": {"$none_of": ["a"]}}, TAGS.none_of(["a"])),
        ({"year": datetime(2020, 1, 1, tzinfo=UTC)}, datetime(2020, 1, 1, tzinfo=UTC) == YEAR),
        ({"year": 2020, "kind": "memo"}, (YEAR == 2020) & (KIND == "memo")),
        ({"$or": [{"year": 2020}, {"kind": "memo"}]}, (YEAR == 2020) | (KIND == "memo")),
        ({"$and": [{"year": 2020}, KIND == "memo"]}, (YEAR == 2020) & (KIND == "memo")),
        ({"$not": {"year": 2020}}, ~(YEAR == 2020)),
        ({"$not": {"$or": [{"year": 2020}, {"year": 2021}]}}, ~((YEAR == 2020) | (YEAR == 2021))),
        ({"id": 1}, F["chunk.metadata.id"] == 1),
        ({"and": "a word"}, F["chunk.metadata.and"] == "a word"),
        ({}, {"and": []}),
    ],
)
def test_says_it_in_pergamums_words(written: dict[str, Any], meant: FilterLike) -> None:
    assert filter_json(written) == as_json(meant)


@pytest.mark.parametrize(
    "own",
    [
        {"field": "year", "op": "gte", "value": 2020},
        {"and": [{"field": "year", "op": "gte", "value": 2020}]},
        {"or": []},
        {"not": {"field": "year", "op": "exists"}},
    ],
)
def test_leaves_pergamums_own_json_alone(own: dict[str, Any]) -> None:
    assert filter_json(own) == own


@pytest.mark.parametrize(
    ("wrong", "error", "reason"),
    [
        ({"year": {"$like": 1}}, ValueError, r"year is compared by one of \$eq, .*; not by \$like"),
        ({"year": {"gte": 1}}, ValueError, "not by gte"),
        ({"$nor": []}, ValueError, r"\$nor joins nothing"),
        ({"$and": {"year": 1}}, TypeError, r"\$and joins a list"),
        ({"year": {"$in": 1}}, TypeError, "not iterable"),
        ({"year": {"$between": [1]}}, ValueError, r"\[low, high\]"),
        ({"year": float("nan")}, ValueError, "finite"),
        ({"year": object()}, TypeError, "strings, numbers"),
        ("year = 2020", TypeError, "not str"),
    ],
)
def test_refuses_what_cannot_be_meant(wrong: object, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        filter_json(wrong)

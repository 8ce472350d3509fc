"""Filters of Haystack against a real server hold where Haystack's own function says so."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from haystack import Document
from haystack.errors import FilterError
from haystack.utils.filters import document_matches_filter
from hypothesis import given, settings
from hypothesis import strategies as st

from pergamum.adapters.haystack import PergamumDocumentStore
from pergamum.client import Pergamum

VALUES: list[Any] = [
    None,
    0,
    1,
    -3,
    2**53 + 1,
    0.0,
    1.0,
    0.5,
    True,
    False,
    "",
    "a",
    "True",
    "1969-07-21T20:17:40",
    "1969-07-21 20:17:40",
    "1969-07-21",
    "1969-07-21T20:17:40Z",
    "1969-07-21T21:17:40+01:00",
    "1969-07-21T20:17:40.5+00:00",
    [],
    [1],
    ["a", 2],
    {},
    {"b": 1},
    {"b": "1969-07-21"},
    {"b": {"c": True}},
    {"b": None},
]
NUMBERS = [-3, 0, 1, 2**53 + 1, 0.5, 1.0, True, False, float("inf"), 2**70, 1e300]
TIMES = [value for value in VALUES if isinstance(value, str) and value.startswith("19")]
TIMES_GIVEN = [*TIMES, datetime.fromisoformat(TIMES[0]), datetime(1969, 7, 21, 20, 17, 40, tzinfo=UTC)]
FIELDS = ["meta.a", "meta.a.b", "meta.a.b.c", "meta.n", "a", "meta.never"]
EQUALS = st.sampled_from([value for value in VALUES if not isinstance(value, list | dict)] + NUMBERS + TIMES_GIVEN)


def holds(filters: dict[str, Any], document: Document) -> bool:
    """Haystack's function, where a document whose value cannot be compared just does not match."""
    if "conditions" in filters:
        found = [holds(condition, document) for condition in filters["conditions"]]
        return any(found) if filters["operator"] == "OR" else all(found) is (filters["operator"] == "AND")
    try:
        return document_matches_filter(filters, document)
    except (FilterError, TypeError):
        return False


def conditions() -> st.SearchStrategy[dict[str, Any]]:
    fields = st.sampled_from(FIELDS)
    equal = st.fixed_dictionaries({"field": fields, "operator": st.sampled_from(["==", "!="]), "value": EQUALS})
    order = st.fixed_dictionaries(
        {
            "field": fields,
            "operator": st.sampled_from([">", ">=", "<", "<="]),
            "value": st.sampled_from([None, *NUMBERS, *TIMES_GIVEN]),
        }
    )
    within = st.fixed_dictionaries(
        {"field": fields, "operator": st.sampled_from(["in", "not in"]), "value": st.lists(EQUALS, max_size=4)}
    )
    return equal | order | within


def joined(parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    joins = st.sampled_from(["AND", "OR", "NOT"])
    return st.fixed_dictionaries({"operator": joins, "conditions": st.lists(parts, max_size=3)})


@pytest.fixture(scope="module")
def store(server_url: str) -> Iterator[PergamumDocumentStore]:
    """A store of a document for each value, each under two names: the types of one come the other way round."""
    store = PergamumDocumentStore("haystack filters", url=server_url, embedding_dim=2)
    pairs = zip(VALUES, reversed(VALUES), strict=True)
    store.write_documents([Document(id=f"{n}", meta={"a": a, "n": b}) for n, (a, b) in enumerate(pairs)])
    store.write_documents(
        [Document(id="none"), Document(id="own", meta={"b": 1, "a.b": {"c": 1}}, embedding=[1.0, 0.0])]
    )
    yield store
    store.close()


@pytest.fixture(scope="module")
def documents(store: PergamumDocumentStore) -> list[Document]:
    return store.filter_documents()


@given(filters=st.recursive(conditions(), joined, max_leaves=5))
@settings(max_examples=150)
def test_filters_hold_where_haystack_says_so(
    store: PergamumDocumentStore, documents: list[Document], filters: dict[str, Any]
) -> None:
    found = store.filter_documents(filters)

    assert [document.id for document in found] == [one.id for one in documents if holds(filters, one)]


def test_every_pair_of_values_is_compared_as_haystack_does(
    store: PergamumDocumentStore, documents: list[Document]
) -> None:
    for value in [value for value in VALUES if not isinstance(value, list | dict)]:
        for field in ("meta.a", "meta.n"):
            filters = {"field": field, "operator": "==", "value": value}

            count = store.count_documents_by_filter(filters)

            assert count == sum(holds(filters, document) for document in documents), filters


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ({"field": "id", "operator": "==", "value": "own"}, ["own"]),
        ({"field": "id", "operator": "in", "value": ["none", "own", "never", 7]}, ["none", "own"]),
        ({"field": "embedding", "operator": "!=", "value": None}, ["own"]),
        ({"field": "b", "operator": "==", "value": 1}, ["own"]),
    ],
)
def test_fields_of_the_document_itself(store: PergamumDocumentStore, filters: dict[str, Any], ids: list[str]) -> None:
    assert [document.id for document in store.filter_documents(filters)] == ids


@pytest.mark.parametrize(
    "filters",
    [
        {"field": "content", "operator": "==", "value": "x"},
        {"field": "blob.mime_type", "operator": "==", "value": "x"},
        {"field": "embedding", "operator": "==", "value": [1.0]},
        {"field": "id", "operator": ">", "value": "a"},
        {"field": "other.a", "operator": "==", "value": 1},
        {"field": "meta.a", "operator": "==", "value": [1]},
        {"field": "meta.a", "operator": "in", "value": [{"b": 1}]},
        {"field": "meta.a", "operator": "like", "value": "x"},
        {"field": "meta.a", "operator": ">", "value": "May 1969"},
        {"field": "meta.a", "operator": "==", "value": object()},
        {"field": "meta." + "a" * 200, "operator": "==", "value": 1},
        {"field": "meta.", "operator": "==", "value": 1},
        {"field": 7, "operator": "==", "value": 1},
        {"operator": "XOR", "conditions": []},
        {"operator": "AND", "conditions": "meta.a"},
        {"operator": "AND", "conditions": ["meta.a"]},
        {"field": "meta.a", "operator": "in", "value": ["x"] * 10_001},
    ],
)
def test_what_cannot_be_said_is_refused(store: PergamumDocumentStore, filters: dict[str, Any]) -> None:
    with pytest.raises(FilterError):
        store.count_documents_by_filter(filters)


def test_a_filter_that_is_too_deep_is_refused(store: PergamumDocumentStore) -> None:
    filters: dict[str, Any] = {"field": "meta.a", "operator": "==", "value": 1}
    for _ in range(100):
        filters = {"operator": "NOT", "conditions": [filters]}

    with pytest.raises(FilterError):
        store.count_documents_by_filter(filters)


def test_strings_are_dates_only_where_they_are_written_as_iso_8601(server_url: str) -> None:
    """Haystack's function lets dateutil guess: "1" is the first of this month there, "May 1969" some day in May."""
    store = PergamumDocumentStore("guesses", url=server_url, embedding_dim=2)
    store.write_documents([Document(id=value, meta={"at": value}) for value in ("1", "May 2069", "2069-05-01")])

    found = store.filter_documents({"field": "meta.at", "operator": ">", "value": "1969-01-01"})
    store.close()

    assert [document.id for document in found] == ["2069-05-01"]


def test_an_empty_filter_deletes_nothing(store: PergamumDocumentStore) -> None:
    with pytest.raises(FilterError):
        store.delete_by_filter({})


def test_fields_that_others_declared_are_compared_by_their_types(server_url: str, client: Pergamum) -> None:
    times = {"at": {"type": "datetime"}, "key": {"type": "uuid"}, "prose": {"type": "text"}}
    client.libraries.create(name="declared", dimension=2, metadata_schema={"documents": times})
    client.library("declared").documents.add(id="theirs", metadata={"at": "2026-01-01T01:00:00+01:00"})
    store = PergamumDocumentStore("declared", url=server_url, embedding_dim=2)
    store.write_documents([Document(id="ours", meta={"at": "2026-01-02T00:00:00Z", "prose": "x"})])

    def found(operator: str, value: object, field: str = "meta.at") -> list[str]:
        filters = {"field": field, "operator": operator, "value": value}
        return [document.id for document in store.filter_documents(filters)]

    assert found("==", "2026-01-01T00:00:00Z") == ["theirs"]
    assert found("==", "2026-01-02T00:00:00Z") == ["ours"]
    assert found(">", "2025-12-31T00:00:00Z") == ["theirs", "ours"]
    assert found("!=", None) == ["theirs", "ours"]
    with pytest.raises(FilterError):
        found("==", "x", "meta.prose")
    store.close()


def test_an_open_library_cannot_be_filtered_by_names_it_does_not_know(server_url: str, client: Pergamum) -> None:
    client.libraries.create(name="open", dimension=2, metadata_schema={"mode": "open"})
    store = PergamumDocumentStore("open", url=server_url, embedding_dim=2)
    store.write_documents([Document(id="a", meta={"year": 2001})])

    with pytest.raises(FilterError):
        store.filter_documents({"field": "meta.year", "operator": "==", "value": 2001})
    assert [document.meta for document in store.filter_documents()] == [{"year": 2001}]
    store.close()

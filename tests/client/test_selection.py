"""Filters, lists in order, counts, facets, changes by filter, schemas and rich searches, through the client."""

import pytest
from pydantic import BaseModel

from pergamum.client import ChunkOfDocument, Conflict, F, Invalid, Library, Pergamum, Prose, decoded, fields_of

YEARS = {"a": 1969, "b": 1999, "c": 2019, "d": None}


class Article(BaseModel):
    """What documents may have."""

    year: int | None = None
    abstract: Prose | None = None


@pytest.fixture
def articles(vectors: Library) -> Library:
    """Four documents of one chunk each on the x axis, three of them with a year."""
    vectors.schema.change(documents={"add": fields_of(Article)})
    for place, (id, year) in enumerate(YEARS.items()):
        metadata = {} if year is None else {"year": year}
        chunk: ChunkOfDocument = {"id": f"{id}1", "text": f"moon number {place}", "embedding": [place, 0]}
        vectors.documents.add(id=id, title=f"Title {id}", metadata=metadata, chunks=[chunk])
    return vectors


def test_lists_take_a_filter_and_an_order(articles: Library) -> None:
    documents = articles.documents.list(filter=F.year >= 1990, order_by="-year", page_size=1)

    assert [document.id for document in documents] == ["c", "b"]
    assert [chunk.id for chunk in articles.chunks.list(order_by="year")] == ["a1", "b1", "c1", "d1"]
    embedded = articles.chunks.list(filter={"field": "document_id", "op": "eq", "value": "c"}, embedding=True)
    assert [decoded(chunk.embedding or "").tolist() for chunk in embedded] == [[2.0, 0.0]]


def test_a_document_and_a_filter_do_not_go_together(articles: Library) -> None:
    with pytest.raises(ValueError, match="document_id"):
        articles.chunks.list(document="a", filter=F.year > 1)


def test_counts_and_facets(articles: Library) -> None:
    assert (articles.documents.count(), articles.chunks.count(F.year.is_null())) == (4, 1)

    found = articles.documents.facets({"field": "year", "stats": True}, {"field": "title", "top": 1}, filter=F.year > 1)

    years, titles = found.facets
    assert (found.count, years.stats and (years.stats.min, years.stats.max)) == (3, (1969, 2019))
    assert titles.values is not None
    assert [(value.value, value.count) for value in titles.values] == [("Title a", 1)]
    assert articles.chunks.facets({"field": "year"}).facets[0].missing == 1


def test_changes_by_filter(articles: Library) -> None:
    old = F.year < 2000

    assert articles.documents.update_where(old, dry_run=True, set={"year": 0}).updated == 0
    assert articles.documents.update_where(old, append={"tags": ["old"]}).updated == 2
    assert [document.tags for document in articles.documents.list(filter=F.tags.any_of(["old"]))] == [["old"]] * 2
    assert articles.chunks.update_where(F.page_number.is_null(), set={"page_number": 7}).matched == 4
    assert articles.chunks.delete_where(old, dry_run=True).deleted == 0
    assert articles.chunks.delete_where(F.id == "a1").deleted == 1
    assert articles.documents.delete_where(old).deleted == 2
    assert (articles.documents.count(), articles.chunks.count()) == (2, 2)


def test_searches_take_filters_words_groups_and_fields(articles: Library) -> None:
    near = articles.search(vector=[0, 0], filter=F.year >= 1990, k=1, select=["document.title", "vector"]).hits[0]
    words = articles.search(text="number 2", mode="keyword")
    both = articles.search(text="number 3", vector=[3, 0], mode="hybrid", diversity=0.2, explain=True)
    groups = articles.search(vector=[0, 0], group_by="document", k=2).groups

    assert (near.chunk_id, near.document and near.document.title, near.text) == ("b1", "Title b", "")
    assert decoded(near.vector or "").tolist() == [1.0, 0.0]
    assert words.hits[0].chunk_id == "c1"
    assert words.hits[0].highlights == [(5, 11), (12, 13)]
    assert both.hits[0].chunk_id == "d1"
    assert [group.document_id for group in groups or []] == ["a", "b"]


def test_a_search_is_read_page_by_page(articles: Library) -> None:
    pages = articles.search_pages(vector=[0, 0], k=1, filter=F.year.exists())

    assert [hit.chunk_id for hit in pages] == ["a1", "b1", "c1"]
    assert articles.search(like={"chunks": ["b1"]}, k=1).hits[0].chunk_id in {"a1", "c1"}


def test_a_schema_is_read_and_changed(articles: Library) -> None:
    tried = articles.schema.change(dry_run=True, documents={"change": {"year": {"required": True}}})

    assert (tried.documents, tried.examples[0].id) == (1, "d")
    with pytest.raises(Conflict):
        articles.schema.change(documents={"change": {"year": {"required": True}}})
    articles.schema.change(documents={"rename": {"year": "published"}}, mode="strict")
    assert articles.schema.get().documents["published"].type == "integer"
    assert articles.documents.count(F.published == 1969) == 1
    with pytest.raises(Invalid, match="year"):
        articles.documents.add(title="x", metadata={"year": 1})


def test_an_index_is_weighed_before_it_is_built_and_an_ended_operation_is_not_cancelled(
    client: Pergamum, articles: Library
) -> None:
    weighed = articles.index.preflight(kind="kd_tree")

    assert (weighed.kind, weighed.chunks) == ("kd_tree", 4)
    operation = articles.index.build(kind="brute_force")
    while client.operations.get(operation.id).status not in {"succeeded", "failed", "cancelled"}:
        pass
    with pytest.raises(Conflict):
        client.operations.cancel(operation.id)

"""Filters of LlamaIndex find what LlamaIndex's own evaluation of them finds."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.utils import build_metadata_filter_fn

from pergamum.adapters.llama_index import PergamumVectorStore
from pergamum.client import F, Invalid, Pergamum

Op = FilterOperator
KINDS = ["memo", "mail", "Memo", "", "a mail"]
TAGS = ["red", "blue", "green"]
METADATA: list[dict[str, Any]] = [
    {"year": 2000, "kind": "memo", "tags": ["red"], "weight": 0.5},
    {"year": 2001, "kind": "mail", "tags": [], "weight": 1.5},
    {"year": 2002, "kind": "", "tags": ["red", "blue"]},
    {"year": 2003, "tags": ["green", "blue"], "weight": -1.0},
    {"year": None, "kind": "Memo", "tags": None},
    {"kind": "a mail"},
    {},
]
NODES = {
    f"node {at}": TextNode(id_=f"node {at}", text="", metadata=metadata, embedding=[1.0, at])
    for at, metadata in enumerate(METADATA)
}


@pytest.fixture(scope="module")
def store(client: Pergamum) -> PergamumVectorStore:
    store = PergamumVectorStore(client.libraries.create(name="llama filters", dimension=2))
    store.add(list(NODES.values()))
    return store


def single(
    key: str, operators: list[FilterOperator], value: st.SearchStrategy[Any]
) -> st.SearchStrategy[MetadataFilter]:
    return st.builds(MetadataFilter, key=st.just(key), operator=st.sampled_from(operators), value=value)


ORDERED = [Op.EQ, Op.NE, Op.GT, Op.GTE, Op.LT, Op.LTE]
CONDITIONS = st.one_of(
    single("year", ORDERED, st.integers(1999, 2004)),
    single("weight", ORDERED, st.sampled_from([-1.0, 0.5, 1.0, 1.5])),
    single("kind", [Op.EQ, Op.NE, Op.TEXT_MATCH], st.sampled_from(KINDS[:3])),
    single("year", [Op.IN, Op.NIN], st.lists(st.integers(1999, 2004), max_size=3)),
    single("kind", [Op.IN, Op.NIN], st.lists(st.sampled_from(KINDS), max_size=3)),
    single("tags", [Op.ANY, Op.ALL], st.lists(st.sampled_from(TAGS), max_size=2)),
    single("tags", [Op.CONTAINS], st.sampled_from(TAGS)),
    single("year", [Op.IS_EMPTY], st.none()),
    single("kind", [Op.IS_EMPTY], st.none()),
    single("tags", [Op.IS_EMPTY], st.none()),
    single("nothing", [Op.IS_EMPTY], st.none()),
)
FILTERS: st.SearchStrategy[MetadataFilters] = st.recursive(
    st.builds(MetadataFilters, filters=st.lists(CONDITIONS, max_size=3), condition=st.sampled_from(FilterCondition)),
    lambda inner: st.builds(
        MetadataFilters,
        filters=st.lists(st.one_of(CONDITIONS, inner), min_size=1, max_size=3),
        condition=st.sampled_from(FilterCondition),
    ),
    max_leaves=4,
)


def holds(part: MetadataFilter | MetadataFilters, node_id: str) -> bool:
    """Whether it holds for the node: LlamaIndex says so of conditions, joins are what their names say."""
    if isinstance(part, MetadataFilter):
        alone = MetadataFilters(filters=[part])
        return build_metadata_filter_fn(lambda each: NODES[each].metadata, alone)(node_id)
    held = [holds(each, node_id) for each in part.filters]
    if not held:
        return True
    if part.condition is FilterCondition.NOT:
        return not any(held)
    return any(held) if part.condition is FilterCondition.OR else all(held)


@given(filters=FILTERS)
@example(MetadataFilters(filters=[MetadataFilters(filters=[])], condition=FilterCondition.NOT))
@settings(max_examples=60)
def test_finds_what_llama_index_itself_finds(store: PergamumVectorStore, filters: MetadataFilters) -> None:
    found = {node.node_id for node in store.get_nodes(filters=filters)}

    assert found == {id for id in NODES if holds(filters, id)}


def only(key: str, operator: FilterOperator, value: Any) -> MetadataFilters:  # noqa: ANN401  # of any kind, to be refused
    return MetadataFilters(filters=[MetadataFilter(key=key, operator=operator, value=value)])


@pytest.mark.parametrize("key", ["ref_doc_id", "doc_id", "document_id"])
def test_the_document_of_a_node_has_llama_indexs_names(store: PergamumVectorStore, key: str) -> None:
    assert [node.node_id for node in store.get_nodes(filters=only(key, Op.EQ, "node 3"))] == ["node 3"]
    assert len(store.get_nodes(filters=only(key, Op.NIN, ["node 3", "node 4"]))) == 5


def test_matches_words_whatever_their_capitals_in_fields_of_prose(client: Pergamum, library_name: str) -> None:
    prose = {"note": {"type": "text"}}
    library = client.libraries.create(name=library_name, dimension=2, metadata_schema={"chunks": prose})
    store = PergamumVectorStore(library)
    texts = ["The Moon Landing", "landing on the moon", "a moon landing", "mooning"]
    store.add([TextNode(id_=note, metadata={"note": note}, embedding=[1.0, 0.0]) for note in texts])

    found = store.get_nodes(filters=only("note", Op.TEXT_MATCH_INSENSITIVE, 'MOON "landing"'))

    assert {node.node_id for node in found} == {"The Moon Landing", "a moon landing"}


@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        (only("kind", Op.TEXT_MATCH_INSENSITIVE, "memo"), "matches"),
        (only("yaer", Op.EQ, 2000), "did you mean"),
        (only("year", Op.EQ, "2000"), "integer"),
        (only("year", Op.EQ, None), "is_null"),
        (only("year", Op.CONTAINS, 2000), "any_of"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_reason(
    store: PergamumVectorStore, filters: MetadataFilters, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        store.get_nodes(filters=filters)


def test_errors_of_the_server_are_those_of_the_client(store: PergamumVectorStore) -> None:
    with pytest.raises(Invalid, match="did you mean"):
        store.delete_nodes(filters=only("yaer", Op.EQ, 2000))


def test_what_changes_in_the_library_changes_in_the_node(store: PergamumVectorStore, client: Pergamum) -> None:
    library = client.library("llama filters")
    library.chunks.update_where(F.id == "node 0", set={"year": 1999})

    (node,) = store.get_nodes(["node 0"])

    library.chunks.update_where(F.id == "node 0", set={"year": 2000})
    assert node.metadata["year"] == 1999

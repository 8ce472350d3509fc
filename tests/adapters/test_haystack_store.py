"""What the document store of Haystack keeps, and how it is told what it cannot keep."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import pytest
from haystack import Document
from haystack.dataclasses import ByteStream, SparseEmbedding
from haystack.document_stores.errors import DocumentStoreError, DuplicateDocumentError
from haystack.document_stores.types import DocumentStore, DuplicatePolicy
from haystack.utils import Secret

from pergamum.adapters.haystack import PergamumDocumentStore
from pergamum.adapters.haystack_operations import Operations
from pergamum.adapters.haystack_scripts import Script, play
from pergamum.client import ChunkOfDocument, ClientError, Invalid, Pergamum

META: list[dict[str, Any]] = [
    {"a": 1, "tags": ["x", "y"], "nested": {"deep": {"er": [1, {"b": None}]}}, "none": None},
    {"a": "1", "tags": [1, "y"], "nested": 7, "none": 1.5},
    {"a": 1.5, "tags": [], "nested": [], "none": {}},
    {"a": True, "tags": "x", "nested": {"deep": 1}, "none": "2026-11-21"},
    {"a": {"b": 1}, "": 1, "odd name / é": 2, "a.b": 3, "x" * 200: 4, "author": "me", "metadata": {}},
    {},
]


class Colour(StrEnum):
    RED = "red"


@pytest.fixture
def store(server_url: str, library_name: str) -> Iterator[PergamumDocumentStore]:
    store = PergamumDocumentStore(library_name, url=server_url, embedding_dim=2)
    yield store
    store.close()


@pytest.mark.parametrize("embedding", [None, [0.5, 1.0]])
def test_documents_come_back_as_they_were(store: PergamumDocumentStore, embedding: list[float] | None) -> None:
    blob = ByteStream(b"\x00\xff", mime_type="image/png", meta={"width": 3})
    sparse = SparseEmbedding([1, 7], [0.5, 0.1])
    documents = [Document(id=f"m{n}", content="x", meta=meta, embedding=embedding) for n, meta in enumerate(META)]
    documents += [Document(id=f"b{n}", content=text, embedding=embedding) for n, text in enumerate([None, "", "é\n"])]
    documents += [Document(id="blob", blob=blob, sparse_embedding=sparse, score=0.25, embedding=embedding)]

    written = store.write_documents(documents)

    assert written == len(documents)
    assert store.filter_documents() == documents


@pytest.mark.parametrize(
    "value",
    [(1, 2), {1}, b"x", object(), float("nan"), float("inf"), 2**63, [{"deep": {1: 2}}], {"x": (1,)}],
    ids=lambda value: repr(value).partition(" at ")[0],
)
def test_meta_that_json_cannot_say_exactly_is_refused(store: PergamumDocumentStore, value: object) -> None:
    documents = [Document(id=f"{n}") for n in range(1_500)] + [Document(id="odd", meta={"a": value})]

    for policy in DuplicatePolicy:
        with pytest.raises(ValueError, match="document 'odd': meta: "):
            store.write_documents(documents, policy)
    assert store.count_documents() == 0


def test_reserved_names_are_refused(store: PergamumDocumentStore) -> None:
    with pytest.raises(ValueError, match="the adapter's own"):
        store.write_documents([Document(id="a", meta={"haystack:document": {}})])


def test_strings_of_an_enumeration_are_kept_as_strings(store: PergamumDocumentStore) -> None:
    store.write_documents([Document(id="a", meta={"colour": Colour.RED})])

    assert store.filter_documents({"field": "meta.colour", "operator": "==", "value": "red"})[0].meta["colour"] == "red"


def test_a_content_without_embedding_that_is_too_long_is_refused(store: PergamumDocumentStore) -> None:
    long = "x" * 70_000

    with pytest.raises(Invalid) as caught:
        store.write_documents([Document(id="a", content=long)])
    assert "has to fit into 64 KiB" in "".join(caught.value.__notes__)
    assert store.write_documents([Document(id="a", content=long, embedding=[0.0, 1.0])]) == 1
    assert store.filter_documents()[0].content == long


def test_an_embedding_of_another_dimension_is_refused(store: PergamumDocumentStore) -> None:
    with pytest.raises(Invalid, match="2 numbers"):
        store.write_documents([Document(id="a", embedding=[1.0])])


def test_a_library_of_another_dimension_is_refused(store: PergamumDocumentStore, server_url: str) -> None:
    store.write_documents([])
    other = PergamumDocumentStore(store.library, url=server_url, embedding_dim=3)

    with pytest.raises(DocumentStoreError, match="vectors of 2 numbers, not 3"):
        other.count_documents()
    other.close()


def test_a_library_of_another_model_is_refused(store: PergamumDocumentStore, server_url: str) -> None:
    store.write_documents([])
    other = PergamumDocumentStore(store.library, url=server_url, embedding_model="local")

    with pytest.raises(DocumentStoreError, match="embeds with None, not local"):
        other.count_documents()
    other.close()


def test_policies_hold_within_one_list_too(store: PergamumDocumentStore) -> None:
    twice = [Document(id="a", content="1"), Document(id="b", content="2"), Document(id="a", content="3")]

    with pytest.raises(DuplicateDocumentError, match="'a' is there twice"):
        store.write_documents(twice)
    assert store.count_documents() == 0
    assert store.write_documents(twice, DuplicatePolicy.SKIP) == 2
    assert [document.content for document in store.filter_documents()] == ["1", "2"]
    assert store.write_documents(twice, DuplicatePolicy.SKIP) == 0
    assert store.write_documents(twice, DuplicatePolicy.OVERWRITE) == 3
    assert [document.content for document in store.filter_documents()] == ["3", "2"]


def test_overwriting_leaves_nothing_behind(store: PergamumDocumentStore) -> None:
    store.write_documents([Document(id="a", content="old", meta={"x": 1, "y": "1999-01-01"}, embedding=[1.0, 0.0])])

    store.write_documents([Document(id="a", meta={"x": "one"})], DuplicatePolicy.OVERWRITE)

    assert store.filter_documents() == [Document(id="a", meta={"x": "one"})]
    assert store.filter_documents({"field": "meta.x", "operator": "==", "value": 1}) == []
    assert store.filter_documents({"field": "meta.y", "operator": "!=", "value": None}) == []


@pytest.mark.parametrize("first", [1, "1", {"b": 1}, ["x"], "2026-11-21"])
@pytest.mark.parametrize("then", [2.5, "2", {"b": "x"}, [1], None])
def test_an_update_leaves_nothing_of_the_old_value(store: PergamumDocumentStore, first: object, then: object) -> None:
    store.write_documents([Document(id="a", meta={"x": first, "y": 1}), Document(id="b", meta={"x": first})])

    changed = store.update_by_filter({"field": "meta.y", "operator": "==", "value": 1}, {"x": then})

    kept = {"y": 1} if then is None else {"x": then, "y": 1}
    assert changed == 1
    assert [document.meta for document in store.filter_documents()] == [kept, {"x": first}]
    for path in ("meta.x", "meta.x.b"):
        there = {"field": path, "operator": "!=", "value": None}
        expected = [
            (one.meta.get("x") or {}).get("b")
            if path == "meta.x.b" and isinstance(one.meta.get("x"), dict)
            else one.meta.get("x")
            if path == "meta.x"
            else None
            for one in store.filter_documents()
        ]
        assert store.count_documents_by_filter(there) == sum(value is not None for value in expected)


def test_unique_values_of_lists_and_of_very_many(store: PergamumDocumentStore) -> None:
    store.write_documents([Document(id=f"{n}", meta={"n": n, "tags": [n % 2], "o": {"p": n % 3}}) for n in range(1100)])

    assert store.get_metadata_field_unique_values("n", size=3) == ([0, 1, 10], 1100)
    assert store.get_metadata_field_unique_values("tags") == ([[0], [1]], 2)
    assert store.get_metadata_field_unique_values("o.p") == ([0, 1, 2], 3)
    assert store.count_unique_metadata_by_filter({}, ["meta.n", "o"]) == {"n": 1100, "o": 3}


def test_the_types_of_fields_are_told_without_those_that_nothing_has(store: PergamumDocumentStore) -> None:
    metas: list[dict[str, Any]] = [{"a": 1, "b": "x"}, {"a": 1.5}]
    store.write_documents([Document(id=f"{n}", meta=meta) for n, meta in enumerate(metas)])
    assert store.get_metadata_fields_info() == {"a": {"type": "float"}, "b": {"type": "keyword"}}

    store.delete_documents(["0"])

    assert store.get_metadata_fields_info() == {"a": {"type": "float"}}
    assert store.get_metadata_field_min_max("meta.b") == {"min": None, "max": None}


def test_the_least_and_greatest_of_booleans_strings_and_both(store: PergamumDocumentStore) -> None:
    metas: list[dict[str, Any]] = [{"f": True, "s": "b", "m": 1}, {"f": False, "s": "a", "m": "x"}]
    store.write_documents([Document(id=f"{n}", meta=meta) for n, meta in enumerate(metas)])

    assert store.get_metadata_field_min_max("f") == {"min": False, "max": True}
    assert store.get_metadata_field_min_max("s") == {"min": "a", "max": "b"}
    assert store.get_metadata_field_min_max("m") == {"min": None, "max": None}


def test_a_type_that_somebody_else_fixes_meanwhile_is_no_fault(store: PergamumDocumentStore, client: Pergamum) -> None:
    store.write_documents([])
    operations = Operations({"name": store.library})

    def interrupted() -> Script[int]:
        """Stores a text under the name as soon as the script has read which fields there are."""
        script = operations.write([Document(id="ours", meta={"x": 1})], DuplicatePolicy.FAIL, embeds=False)
        schema = yield next(script)
        client.library(store.library).documents.add(id="theirs", metadata={"x": "text"})
        return (yield from going_on(script, schema))

    assert play(interrupted(), client) == 1
    assert [document.meta for document in store.filter_documents()] == [{"x": "text"}, {"x": 1}]


def going_on(script: Script[int], answer: object) -> Script[int]:
    """Go on with a script that waits for an answer."""
    try:
        ask = script.send(answer)
        while True:
            try:
                answer = yield ask
            except ClientError as error:
                ask = script.throw(error)
            else:
                ask = script.send(answer)
    except StopIteration as end:
        return int(end.value)


def test_what_others_stored_is_read(store: PergamumDocumentStore, client: Pergamum) -> None:
    store.write_documents([])
    chunks: list[ChunkOfDocument] = [
        {"id": "1", "text": "one", "embedding": [1, 0]},
        {"id": "2", "text": "two", "embedding": [0, 1]},
    ]
    client.library(store.library).documents.add(id="theirs", metadata={"year": 2001}, chunks=chunks)

    assert store.filter_documents() == [Document(id="theirs", content="one\ntwo", meta={"year": 2001})]


def test_a_store_survives_its_description(server_url: str) -> None:
    store: DocumentStore = PergamumDocumentStore(
        "described", url=server_url, api_key=Secret.from_env_var("SOME_KEY", strict=False), embedding_dim=2, metric="l2"
    )

    again = PergamumDocumentStore.from_dict(store.to_dict())

    assert again.to_dict() == store.to_dict()
    assert again.api_key == Secret.from_env_var("SOME_KEY", strict=False)
    assert store.to_dict()["type"] == "pergamum.adapters.haystack_store.PergamumDocumentStore"


def test_a_dimension_and_a_model_contradict_each_other() -> None:
    with pytest.raises(ValueError, match="embedding_dim"):
        PergamumDocumentStore(embedding_dim=2, embedding_model="local")


def test_one_store_serves_one_event_loop_after_another(store: PergamumDocumentStore) -> None:
    async def counted(document: Document) -> int:
        await store.write_documents_async([document])
        count = await store.count_documents_async()
        await store.close_async()
        return count

    assert [asyncio.run(counted(Document(id=id))) for id in ("a", "b")] == [1, 2]
    assert store.count_documents() == 2


def test_without_haystack_the_error_names_the_extra() -> None:
    code = "import sys; sys.modules['haystack'] = None; import pergamum.adapters.haystack"

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert 'pip install "pergamum[haystack]"' in ended.stderr

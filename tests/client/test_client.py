"""What a program does with the client, against the real app."""

from uuid import uuid4

import numpy as np
import pytest

from pergamum.client import DEFAULT_URL, ChunkOfDocument, Conflict, Invalid, Library, NotFound, Pergamum, Query, decoded


def test_text_in_nearest_text_out(texts: Library) -> None:
    tides = texts.documents.add(title="Tides", text="The moon pulls the sea.")
    texts.documents.add(title="Bread", text="Yeast breathes out gas, and the dough rises.")

    answer = texts.search(text="what moves the ocean?", k=1)

    assert [(hit.document_id, hit.text) for hit in answer.hits] == [(tides.id, "The moon pulls the sea.")]
    assert answer.exact
    assert answer.position == 2


def test_a_library_is_found_by_name_and_by_id(client: Pergamum, texts: Library) -> None:
    name, id = texts.info().name, str(texts.info().id)

    assert client.libraries.get(name).info().id == client.libraries.get(id).info().id == texts.info().id
    assert client.library(name).info().name == name
    assert name in [library.name for library in client.libraries.list(page_size=1)]


def test_a_library_is_changed_and_deleted(client: Pergamum, texts: Library) -> None:
    name = f"renamed {uuid4()}"

    changed = client.libraries.update(texts.key, name=name, description="about the sea")

    assert (changed.info().name, changed.info().description) == (name, "about the sea")
    assert texts.refresh().name == name
    client.libraries.delete(name)
    with pytest.raises(NotFound):
        texts.refresh()


def test_a_name_that_is_taken_is_a_conflict(client: Pergamum, texts: Library) -> None:
    with pytest.raises(Conflict) as caught:
        client.libraries.create(name=texts.info().name)

    assert caught.value.type == "/problems/library-exists"
    assert caught.value.request_id


@pytest.mark.parametrize("id", ["plain", "a/b", "..", ".", "a b?#%2F", "日本", "x:batch", "%"])
def test_a_document_is_read_changed_replaced_and_deleted_under_any_id(vectors: Library, id: str) -> None:
    documents = vectors.documents
    documents.add(id=id, title="one", tags=["a"], chunks=[{"text": "x", "embedding": [1, 2]}])

    assert documents.get(id).title == "one"
    assert documents.update(id, title=None, tags=[]).title is None
    assert documents.replace(id, title="two").chunks == 0
    assert documents.get(id).version == 3
    assert documents.delete(id) == 4
    with pytest.raises(NotFound):
        documents.get(id)


def test_chunks_are_added_read_changed_and_deleted_with_their_vectors(vectors: Library) -> None:
    vectors.documents.add(id="d")
    chunk = vectors.chunks.add(id="c/1", document_id="d", text="x", embedding=np.array([0.1, 0.2]), page_number=7)

    assert (chunk.chunk_index, chunk.page_number, chunk.embedding) == (0, 7, None)
    read = vectors.chunks.get("c/1", embedding=True)
    assert decoded(read.embedding or "").tolist() == np.array([0.1, 0.2], np.float32).tolist()
    assert vectors.chunks.update("c/1", page_number=None, embedding=[3.0, 4.0]).page_number is None
    assert vectors.chunks.replace("c/1", document_id="d", text="y", embedding=[0.0, 1.0]).text == "y"
    assert vectors.chunks.delete("c/1") is not None
    assert vectors.chunks.list().to_list() == []


def test_many_are_stored_in_batches_and_listed_page_by_page(vectors: Library) -> None:
    added = vectors.documents.add_many(
        ({"id": f"{number:03}", "chunks": [{"text": "x", "embedding": [number, 1]}]} for number in range(25)),
        batch_size=10,
    )
    again = vectors.documents.add_many([{"id": "000"}, {"id": "new"}])

    assert (added.created, added.replaced, added.position) == (25, 0, 3)
    assert (again.created, again.replaced, again.position) == (1, 1, 4)
    assert [len(page.items) for page in vectors.documents.list(page_size=10).pages()] == [10, 10, 6]
    assert len(vectors.documents.list(page_size=7).to_list()) == 26
    stored = vectors.chunks.add_many([{"document_id": "new", "text": "y", "embedding": [0, 1]}] * 2)
    assert stored.created == 2
    assert [chunk.chunk_index for chunk in vectors.chunks.list(document="new", embedding=True)] == [0, 1]


def test_a_batch_that_is_refused_names_the_item_and_keeps_the_batches_before_it(vectors: Library) -> None:
    good = ChunkOfDocument(text="x", embedding=[1, 2])
    wrong = ChunkOfDocument(text="x", embedding=[1, 2, 3])

    with pytest.raises(Invalid) as caught:
        vectors.documents.add_many(
            [{"chunks": [good]}, {"chunks": [good]}, {"chunks": [good]}, {"chunks": [good, wrong]}], batch_size=2
        )

    assert caught.value.type == "/problems/dimension-mismatch"
    assert (caught.value.body["document"], caught.value.body["chunk"]) == (1, 1)
    assert caught.value.stored is not None
    assert (caught.value.stored.done, caught.value.stored.created) == (2, 2)
    assert caught.value.__notes__[0].startswith("item 3, id ")
    assert vectors.refresh().documents == 2


def test_nothing_to_store_is_no_request(vectors: Library) -> None:
    assert vectors.documents.add_many([]).position is None


def test_an_import_reports_wrong_lines(vectors: Library) -> None:
    lines = [vectors.documents.encoded({"id": "a"}), vectors.documents.encoded({"id": "b", "title": "x" * 2000})]

    report = vectors.documents.import_batch(lines, on_error="skip")

    assert (report.accepted, report.failed, report.errors[0].line) == (1, 1, 2)
    with pytest.raises(Invalid) as caught:
        vectors.documents.import_batch(lines)
    assert caught.value.body["line"] == 2


def test_many_queries_are_answered_in_order(vectors: Library) -> None:
    points = np.array([[0, 0], [5, 5], [9, 9]], np.float32)
    vectors.documents.add(chunks=[{"id": str(n), "text": str(n), "embedding": p} for n, p in enumerate(points)])

    answers = vectors.search_many([Query(vector=point, k=1) for point in points])

    assert [answer.hits[0].chunk_id for answer in answers] == ["0", "1", "2"]
    assert vectors.search(vector=[8.0, 8.0], k=2, recall="exact").hits[0].chunk_id == "2"


@pytest.mark.parametrize("query", [Query(), Query(text="a", vector=[1, 2])])
def test_a_search_takes_a_text_or_a_vector(texts: Library, query: Query) -> None:
    with pytest.raises(Invalid, match="give one of vector, text, like"):
        texts.search_many([query])


def test_an_index_is_asked_for_and_its_operation_followed(client: Pergamum, vectors: Library) -> None:
    operation = vectors.index.build(kind="brute_force")

    followed = client.operations.get(operation.id)

    assert followed.id == operation.id
    assert vectors.index.status().kind == "brute_force"
    with pytest.raises(NotFound):
        client.operations.get(uuid4())


def test_texts_of_documents_are_listed_when_wanted(texts: Library) -> None:
    texts.documents.add(text="The moon pulls the sea.")

    assert [document.text for document in texts.documents.list()] == [None]
    assert [document.text for document in texts.documents.list(texts=True)] == ["The moon pulls the sea."]


def test_the_url_comes_from_the_argument_then_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Pergamum().url == DEFAULT_URL
    monkeypatch.setenv("PERGAMUM_URL", "http://example.test:1")

    assert Pergamum().url == "http://example.test:1"
    assert Pergamum("https://example.test/base").url == "https://example.test/base"


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://example.test", "http://", "/v1"])
def test_what_is_no_url_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is not the URL of a server"):
        Pergamum(url)

"""Texts that the client embeds: which, how often, by what, and that the server never has to."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from pergamum.client import AsyncPergamum, Library, Pergamum
from pergamum.client.drafts import AddDocument
from pergamum.client.embedders import EmbedderLike
from pergamum.client.vectors import decoded
from pergamum.domain.splitter import split

NUMBERS = count()
STORY = "The moon pulls the sea. " * 20
DIMENSION = 4


def vector_of(text: str) -> npt.NDArray[np.float32]:
    """Return a vector that only this text has."""
    return np.random.default_rng(list(text.encode())).standard_normal(DIMENSION).astype(np.float32)


class Recording:
    """Embeds, and keeps what it was asked for."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.questions: list[str] = []
        self.threads: set[int] = set()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.groups.append(texts)
        self.threads.add(threading.get_ident())
        return [vector_of(text).tolist() for text in texts]

    def embed_query(self, text: str) -> npt.NDArray[np.float32]:
        self.questions.append(text)
        self.threads.add(threading.get_ident())
        return vector_of(text)


class AsyncRecording:
    """The same, to be awaited."""

    def __init__(self) -> None:
        self.inner = Recording()

    async def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.inner.embed_documents(texts)

    async def embed_query(self, text: str) -> npt.NDArray[np.float32]:
        return self.inner.embed_query(text)


@pytest.fixture
def recording() -> Recording:
    return Recording()


@pytest.fixture
def library(client: Pergamum, recording: Recording) -> Library:
    """A library whose texts the client embeds, in chunks of at most 100 characters."""
    name = f"embedded {next(NUMBERS)}"
    return client.libraries.create(name=name, chunking={"size": 100, "overlap": 0}, embedder=recording)


def stored(library: Library, document: str) -> list[tuple[str, npt.NDArray[np.float32]]]:
    """Return the texts and vectors of the chunks of a document."""
    chunks = library.chunks.list(document=document, embedding=True)
    return [(chunk.text, decoded(chunk.embedding or "")) for chunk in chunks]


def assert_embedded(library: Library, document: str, texts: Sequence[str]) -> None:
    """Check that the document has just these chunks, each with the vector of its text."""
    found = stored(library, document)
    assert [text for text, _ in found] == list(texts)
    for text, vector in found:
        np.testing.assert_array_equal(vector, vector_of(text))


def test_the_server_has_no_model_and_learns_the_dimension(library: Library) -> None:
    library.documents.add(id="d", text="one")

    info = library.refresh()

    assert (info.embedding_model, info.dimension) == (None, DIMENSION)


def test_a_text_is_split_as_the_library_says_embedded_and_kept(library: Library, recording: Recording) -> None:
    library.documents.add(id="d", title="Tides", text=STORY)

    assert_embedded(library, "d", split(STORY, 100, 0))
    assert library.documents.get("d").text == STORY
    assert recording.groups == [split(STORY, 100, 0)]


def test_replacing_and_a_new_text_embed_again_and_other_changes_do_not(library: Library, recording: Recording) -> None:
    library.documents.add(id="d", text="one")
    library.documents.replace("d", text="two")
    assert_embedded(library, "d", ["two"])

    library.documents.update("d", title="t", text="three")
    library.documents.update("d", author="a")

    assert_embedded(library, "d", ["three"])
    document = library.documents.get("d")
    assert (document.text, document.title, document.author) == ("three", "t", "a")
    assert recording.groups == [["one"], ["two"], ["three"]]


def test_chunks_without_a_vector_get_one_and_others_keep_theirs(library: Library, recording: Recording) -> None:
    own = np.ones(DIMENSION, np.float32)
    library.documents.add(id="d", chunks=[{"text": "a"}, {"text": "b", "embedding": own}, {"text": "c"}])

    library.chunks.add(id="x", document_id="d", text="x")
    library.chunks.replace("x", document_id="d", text="y")
    library.chunks.update("x", text="z")
    library.chunks.update("x", page_number=2)

    found = dict(stored(library, "d"))
    assert recording.groups == [["a", "c"], ["x"], ["y"], ["z"]]
    np.testing.assert_array_equal(found["b"], own)
    np.testing.assert_array_equal(found["z"], vector_of("z"))


def test_what_has_no_text_is_stored_as_it_is(library: Library, recording: Recording) -> None:
    bare: list[AddDocument] = [{}, {"text": ""}, {"text": " \n"}, {"chunks": []}, {"title": "t"}]
    for fields in bare:
        assert library.documents.add(**fields).chunks == 0

    assert recording.groups == []


def test_many_documents_are_embedded_many_texts_at_a_time(library: Library, recording: Recording) -> None:
    made = library.documents.add_many({"id": str(number), "text": f"text {number}"} for number in range(130))

    assert made.created == 130
    assert sorted(text for group in recording.groups for text in group) == sorted(f"text {n}" for n in range(130))
    assert len(recording.groups) <= 10
    assert_embedded(library, "7", ["text 7"])


def test_many_chunks_are_embedded_too(library: Library, recording: Recording) -> None:
    library.documents.add(id="d")

    library.chunks.add_many([{"document_id": "d", "text": "a"}, {"document_id": "d", "text": "b"}])

    assert_embedded(library, "d", ["a", "b"])
    assert len(recording.groups) == 1


@pytest.fixture
def filled(library: Library) -> Library:
    library.documents.add_many([{"id": "a", "text": "apples and pears"}, {"id": "b", "text": "boats"}])
    return library


def test_a_search_by_text_is_one_by_its_vector(filled: Library, recording: Recording) -> None:
    found = filled.search(text="boats", k=1)[0]
    paged = filled.search_pages(text="boats", k=1).to_list()
    many = filled.search_many([{"text": "boats", "k": 1}, "apples and pears", vector_of("boats")])

    assert (found.document_id, round(found.score, 5)) == ("b", 1.0)
    assert [hit.document_id for hit in paged] == ["b", "a"]
    assert [answer[0].document_id for answer in many] == ["b", "a", "b"]
    assert recording.questions == ["boats", "boats", "boats", "apples and pears"]


def test_a_hybrid_search_sends_words_and_vector_and_one_by_words_no_vector(
    filled: Library, recording: Recording
) -> None:
    hybrid = filled.search(text="boats", mode="hybrid", k=1)[0]
    assert (hybrid.document_id, hybrid.highlights) == ("b", [(0, 5)])
    assert hybrid.vector_score is not None
    assert hybrid.keyword_score is not None

    assert filled.search(text="pears", mode="keyword")[0].document_id == "a"
    assert filled.search(vector=vector_of("boats"), k=1)[0].document_id == "b"
    assert filled.search(like={"documents": ["a"]})[0].document_id == "b"
    assert recording.questions == ["boats"]


@pytest.mark.parametrize("more", [{"rerank": {"provider": "local"}}, {"select": ["highlights"]}])
def test_what_needs_the_text_beside_its_vector_is_refused(filled: Library, more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="mode hybrid"):
        filled.search(text="boats", **more)

    assert filled.search(text="boats", mode="hybrid", **more)


def matrix_of(texts: list[str]) -> npt.NDArray[np.float32]:
    return np.stack([vector_of(text) for text in texts])


EMBEDDERS: dict[str, Callable[[], EmbedderLike]] = {
    "an object": Recording,
    "a function": lambda: matrix_of,
    "LangChain's": lambda: DeterministicFakeEmbedding(size=DIMENSION),
}


@pytest.mark.parametrize("kind", EMBEDDERS)
def test_embedders_of_all_kinds_find_what_they_stored(client: Pergamum, kind: str) -> None:
    name = f"{kind} {next(NUMBERS)}"
    client.libraries.create(name=name, dimension=DIMENSION, metric="l2")
    library = client.library(name, embedder=EMBEDDERS[kind]())
    library.documents.add_many([{"id": text, "text": text} for text in ("sun", "moon", "sea")])

    got = client.libraries.get(name, embedder=library.embedder)

    assert got.search(text="moon", k=1)[0].document_id == "moon"
    assert got.search(text="moon", k=1)[0].distance == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("embedder", "reason"),
    [
        (lambda _: [[1.0, 2.0]], r"given 2 texts: expected 2 vectors, received shape \(1, 2\)"),
        (lambda _: [[1.0], [1.0, 2.0]], "given 2 texts"),
        (lambda _: [1.0, 2.0], r"shape \(2,\)"),
    ],
)
def test_an_embedder_that_answers_something_else_is_refused(
    client: Pergamum, embedder: EmbedderLike, reason: str
) -> None:
    library = client.libraries.create(name=f"odd {next(NUMBERS)}", embedder=embedder)

    with pytest.raises(ValueError, match=reason):
        library.documents.add(chunks=[{"text": "a"}, {"text": "b"}])

    assert library.count() == 0


def test_what_is_no_embedder_is_refused_at_once(client: Pergamum) -> None:
    with pytest.raises(TypeError, match="an embedder has embed_documents"):
        client.library("any", embedder="all-MiniLM")  # type: ignore[arg-type]  # that is the point


def test_an_embedder_that_must_be_awaited_is_refused_by_a_client_that_cannot(client: Pergamum) -> None:
    library = client.library("any", embedder=AsyncRecording())

    with pytest.raises(TypeError, match="needs AsyncPergamum"):
        library.search(text="x")


# Asynchronous


@pytest.fixture(scope="module")
def together() -> Iterator[Callable[[Callable[[AsyncPergamum], Awaitable[None]]], None]]:
    """Runs tests with an asynchronous client, on one server."""
    with asyncio.Runner() as runner:
        client = AsyncPergamum.local()
        yield lambda test: runner.run(_awaited(test(client)))
        runner.run(client.close())


async def _awaited(work: Awaitable[None]) -> None:
    await work


Together = Callable[[Callable[[AsyncPergamum], Awaitable[None]]], None]


@pytest.mark.parametrize("kind", [Recording, AsyncRecording])
def test_an_asynchronous_client_does_not_wait_in_its_event_loop(
    together: Together, kind: type[Recording] | type[AsyncRecording]
) -> None:
    async def test(client: AsyncPergamum) -> None:
        embedder = kind()
        recording = embedder if isinstance(embedder, Recording) else embedder.inner
        library = await client.libraries.create(name=f"{kind.__name__}", embedder=embedder)
        await library.documents.add(id="a", text="apples")
        await library.documents.add_many([{"id": "b", "text": "boats"}, {"id": "c", "text": "cats"}])

        found = await library.search(text="cats", k=1)
        pages = [hit.document_id async for hit in library.search_pages(text="boats", k=1)]

        assert (found[0].document_id, pages[0]) == ("c", "b")
        assert recording.groups == [["apples"], ["boats", "cats"]]
        here = threading.get_ident() in recording.threads
        assert here is (kind is AsyncRecording)

    together(test)


def test_methods_of_langchain_for_event_loops_are_awaited(together: Together) -> None:
    class Both(DeterministicFakeEmbedding):
        async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
            return [vector_of(text).tolist() for text in texts]

        async def aembed_query(self, text: str) -> list[float]:
            return [float(number) for number in vector_of(text)]

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            raise AssertionError(f"not this one: {texts}")

    async def test(client: AsyncPergamum) -> None:
        library = await client.libraries.create(name="both", embedder=Both(size=DIMENSION))
        await library.documents.add(id="a", text="apples")
        assert (await library.search(text="apples"))[0].score == pytest.approx(1)

    together(test)

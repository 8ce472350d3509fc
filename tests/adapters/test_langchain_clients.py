"""How a LangChain store comes by its library, synchronously, asynchronously, and in one event loop after another."""

import asyncio
from typing import Any, TypeVar

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings

from pergamum.adapters.langchain import PergamumVectorStore
from pergamum.client import AsyncLibrary, AsyncPergamum, Invalid, Library, NotFound, Pergamum, Unreachable

T = TypeVar("T")
MISSING = NotFound(404, {}, request_id=None)


def embedding() -> Embeddings:
    return DeterministicFakeEmbedding(size=6)


@pytest.fixture
def store(client: Pergamum, library_name: str) -> PergamumVectorStore:
    """An empty store."""
    return PergamumVectorStore(client.libraries.create(name=library_name, dimension=6), embedding())


def ids(documents: list[Document]) -> list[str | None]:
    return [document.id for document in documents]


def test_a_store_from_a_url_works_in_every_event_loop(server_url: str, library_name: str) -> None:
    store = PergamumVectorStore.from_texts(["sea", "moon"], embedding(), library=library_name, url=server_url)

    with asyncio.Runner() as first, asyncio.Runner() as second:
        loops = (first, second, first, second)
        found = [loop.run(store.asimilarity_search("sea", k=1)) for loop in loops]
        for loop in (first, second):
            loop.run(store.aclose())

    assert [document.page_content for documents in found for document in documents] == ["sea"] * 4


async def test_a_synchronous_library_alone_is_asked_in_threads(store: PergamumVectorStore) -> None:
    await store.aadd_texts(["a", "b"], [{"n": 1}, {"n": 2}], ids=["1", "2"])
    await store.adelete(["1"])

    assert ids(await store.asimilarity_search("a")) == ids(await store.aget_by_ids(["1", "2"])) == ["2"]
    assert len(await store.asimilarity_search_with_relevance_scores("a")) == 1
    await store.adelete()
    assert store.similarity_search("a") == []


async def test_an_asynchronous_library_alone_is_not_asked_synchronously(aclient: AsyncPergamum) -> None:
    native = PergamumVectorStore(None, embedding(), async_library=aclient.library("any"))

    with pytest.raises(TypeError, match="async_library only"):
        native.similarity_search("sea")


async def test_opens_by_clients_of_either_kind(client: Pergamum, aclient: AsyncPergamum, library_name: str) -> None:
    fake = embedding()
    made = await PergamumVectorStore.afrom_texts(["a"], fake, library=library_name, async_client=aclient)
    both = PergamumVectorStore.open(library_name, fake, client=client, async_client=aclient)
    sync = await PergamumVectorStore.aopen(library_name, fake, client=client)

    assert (await made._library.ainfo()).dimension == 6
    assert await made.asimilarity_search("a") == both.similarity_search("a") == await sync.asimilarity_search("a")
    assert await both.asimilarity_search("a") == both.similarity_search("a")
    with pytest.raises(TypeError, match="aopen"):
        PergamumVectorStore.open(library_name, fake, async_client=aclient)


def test_a_library_that_somebody_else_makes_meanwhile_is_taken(
    client: Pergamum, library_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[NotFound | Library] = [MISSING, client.libraries.create(name=library_name, dimension=6)]

    def get(name: str) -> Library:
        return _answered(answers.pop(0))

    monkeypatch.setattr(client.libraries, "get", get)

    store = PergamumVectorStore.open(library_name, embedding(), client=client)

    assert store.add_texts(["a"], ids=["1"]) == ["1"]


async def test_so_is_one_that_is_made_while_it_is_looked_for_asynchronously(
    aclient: AsyncPergamum, library_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[NotFound | AsyncLibrary] = [MISSING, await aclient.libraries.create(name=library_name, dimension=6)]

    async def get(name: str) -> AsyncLibrary:
        return _answered(answers.pop(0))

    monkeypatch.setattr(aclient.libraries, "get", get)

    store = await PergamumVectorStore.aopen(library_name, embedding(), async_client=aclient)

    assert await store.aadd_texts(["a"], ids=["1"]) == ["1"]


def _answered(answer: T | NotFound) -> T:
    if isinstance(answer, NotFound):
        raise answer
    return answer


def test_a_name_or_a_model_is_no_library() -> None:
    with pytest.raises(TypeError, match=r"not str: .*open"):
        PergamumVectorStore("notes", embedding())  # type: ignore[arg-type]  # the mistake
    with pytest.raises(TypeError, match="not DeterministicFakeEmbedding"):
        PergamumVectorStore(embedding())  # type: ignore[arg-type]  # the mistake


async def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(Unreachable):
        PergamumVectorStore.open("x", embedding(), url="http://127.0.0.1:9")
    with pytest.raises(Unreachable):
        await PergamumVectorStore.aopen("x", embedding(), url="http://127.0.0.1:9")


async def test_what_cannot_be_stored_leaves_no_client_open(server_url: str, library_name: str) -> None:
    wrong: list[dict[str, Any]] = [{"year": 1}, {"year": "1"}]

    with pytest.raises(Invalid, match="must be an integer"):
        PergamumVectorStore.from_texts(["a", "b"], embedding(), wrong, library=library_name, url=server_url)
    with pytest.raises(Invalid, match="must be an integer"):
        await PergamumVectorStore.afrom_texts(["a", "b"], embedding(), wrong, library=library_name, url=server_url)

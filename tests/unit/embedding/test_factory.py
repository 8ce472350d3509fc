import importlib.util
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr

from pergamum.embedding.factory import Embedders
from pergamum.errors import EmbeddingFailed, UnknownModel
from tests.support.fake_cohere import FakeCohere, fake_cohere

KEY = "fake-key-that-opens-nothing"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCohere]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with fake_cohere(KEY) as server:
        yield server


def test_the_local_model_is_always_there() -> None:
    assert Embedders().available() == ["local"]
    assert Embedders().get("local").dimension == 256


def test_with_a_key_the_models_of_cohere_are_there_too() -> None:
    embedders = Embedders(cohere_key=SecretStr(KEY))

    assert "cohere/embed-v4.0" in embedders.available()
    assert all(embedders.get(name).name == name for name in embedders.available())


@pytest.mark.parametrize("name", ["", "cohere", "cohere/", "cohere/embed-v4.0", "openai/x", "local/x", "LOCAL"])
def test_another_name_is_refused_with_those_available(name: str) -> None:
    with pytest.raises(UnknownModel) as refused:
        Embedders().get(name)

    assert refused.value.facts == {"model": name, "available": "local"}


def test_the_refusal_does_not_show_the_key() -> None:
    with pytest.raises(UnknownModel, match=r"cohere/embed-v4\.0") as refused:
        Embedders(cohere_key=SecretStr(KEY)).get("cohere/embed-v4.0@3")

    assert KEY not in f"{refused.value} {refused.value.facts}"


def test_an_embedder_is_made_once() -> None:
    embedders = Embedders(cohere_key=SecretStr(KEY))

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(embedders.get, ["local"] * 8))

    assert len({id(embedder) for embedder in made}) == 1
    assert embedders.get("cohere/embed-v4.0") is embedders.get("cohere/embed-v4.0@1536")


def test_coheres_answers_are_kept(server: FakeCohere) -> None:
    embedders = Embedders(cohere_key=SecretStr(KEY), cohere_url=server.url)
    embedder = embedders.get("cohere/embed-v4.0@256")

    first, second = embedder.embed_query("wing"), embedder.embed_query("wing")
    embedders.close()

    assert first.tobytes() == second.tobytes()
    assert len(server.received) == 1


def test_a_missing_sdk_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "cohere" else find(name))

    with pytest.raises(EmbeddingFailed, match=r"pip install 'pergamum\[cohere\]'"):
        Embedders(cohere_key=SecretStr(KEY)).get("cohere/embed-v4.0")


def test_a_missing_local_model_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(EmbeddingFailed, match=r"pip install 'pergamum\[server\]'"):
        Embedders().get("local").embed_query("wing")

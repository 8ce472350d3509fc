import importlib.util
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr

from pergamum.errors import RerankFailed, UnknownReranker
from pergamum.rerank.factory import Rerankers
from tests.support.fake_cohere import FakeCohere, fake_cohere

KEY = "fake-key-that-opens-nothing"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCohere]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with fake_cohere(KEY) as server:
        yield server


def test_the_local_reranker_is_always_there() -> None:
    assert Rerankers().available() == ["local"]
    assert Rerankers().get("local").name == "local"


def test_with_a_key_the_models_of_cohere_are_there_too() -> None:
    rerankers = Rerankers(cohere_key=SecretStr(KEY))

    assert "cohere/rerank-v3.5" in rerankers.available()
    assert all(rerankers.get(*name.split("/")).name == name for name in rerankers.available())


def test_without_a_model_the_provider_chooses() -> None:
    assert Rerankers(cohere_key=SecretStr(KEY)).get("cohere").name == "cohere/rerank-v4.0-fast"


@pytest.mark.parametrize(
    ("provider", "model", "named"),
    [
        ("", None, ""),
        ("LOCAL", None, "LOCAL"),
        ("local", "x", "local/x"),
        ("cohere", None, "cohere"),
        ("cohere", "rerank-v3.5", "cohere/rerank-v3.5"),
        ("openai", "x", "openai/x"),
    ],
)
def test_another_name_is_refused_with_those_available(provider: str, model: str | None, named: str) -> None:
    with pytest.raises(UnknownReranker) as refused:
        Rerankers().get(provider, model)

    assert refused.value.facts == {"reranker": named, "available": "local"}


@pytest.mark.parametrize("model", ["", "rerank-v99", "embed-v4.0"])
def test_the_refusal_names_the_models_and_does_not_show_the_key(model: str) -> None:
    with pytest.raises(UnknownReranker, match=r"local, .*cohere/rerank-v3\.5") as refused:
        Rerankers(cohere_key=SecretStr(KEY)).get("cohere", model)

    assert KEY not in f"{refused.value} {refused.value.facts}"


def test_a_reranker_is_made_once() -> None:
    rerankers = Rerankers(cohere_key=SecretStr(KEY))

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(rerankers.get, ["local"] * 8))

    assert len({id(reranker) for reranker in made}) == 1
    assert rerankers.get("cohere") is rerankers.get("cohere", "rerank-v4.0-fast")


def test_coheres_rerankers_ask_the_given_server_and_are_closed(server: FakeCohere) -> None:
    rerankers = Rerankers(cohere_key=SecretStr(KEY), cohere_url=server.url)

    relevances = rerankers.get("cohere", "rerank-v3.5").rerank("a wing", ["wing"])
    rerankers.close()

    assert relevances == [0.5]
    assert server.received[0].body["model"] == "rerank-v3.5"


def test_a_missing_sdk_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "cohere" else find(name))

    with pytest.raises(RerankFailed, match=r"pip install 'pergamum\[cohere\]'"):
        Rerankers(cohere_key=SecretStr(KEY)).get("cohere")


def test_a_missing_local_model_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(RerankFailed, match=r"pip install 'pergamum\[server\]'"):
        Rerankers().get("local").rerank("lift", ["wing"])

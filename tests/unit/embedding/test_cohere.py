"""Cohere's embedder through the real SDK against a local server that speaks its protocol."""

import json
import logging
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate

import pytest
from pydantic import SecretStr

from pergamum.embedding.cohere import CohereEmbedder, CohereModel
from pergamum.embedding.retry import RetryPolicy
from pergamum.errors import EmbeddingFailed
from tests.support.fake_cohere import FakeCohere, Reply, fake_cohere

KEY = "fake-key-that-opens-nothing"
MODEL = CohereModel("embed-v4.0", 256)


@dataclass
class Waits:
    """Stands in for the clock: notes the waits, and does not wait."""

    seconds: list[float] = field(default_factory=list)


@pytest.fixture(scope="module")
def shared_server() -> Iterator[FakeCohere]:
    with fake_cohere(KEY) as server:
        yield server


@pytest.fixture
def server(shared_server: FakeCohere, monkeypatch: pytest.MonkeyPatch) -> FakeCohere:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    shared_server.script.clear()
    shared_server.received.clear()
    return shared_server


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def embedder(server: FakeCohere, waits: Waits) -> Iterator[CohereEmbedder]:
    retry = RetryPolicy(attempts=3, sleep=waits.seconds.append)
    embedder = CohereEmbedder(MODEL, SecretStr(KEY), base_url=server.url, retry=retry)
    yield embedder
    embedder.close()


def vectors_reply(*vectors: object) -> Reply:
    return Reply(body=json.dumps({"id": "x", "embeddings": {"float": list(vectors)}, "texts": []}))


def test_many_texts_go_out_in_batches_and_come_back_in_order(server: FakeCohere, embedder: CohereEmbedder) -> None:
    texts = [f"text {number}" for number in range(200)]

    vectors = embedder.embed_documents(texts)

    assert [len(request.texts) for request in server.received] == [96, 96, 8]
    assert [text for request in server.received for text in request.texts] == texts
    assert vectors[150].tobytes() == embedder.embed_documents(["text 150"])[0].tobytes()


def test_a_request_says_all_that_decides_the_vector(server: FakeCohere, embedder: CohereEmbedder) -> None:
    embedder.embed_documents(["wing"])

    assert server.received[0].body == {
        "model": "embed-v4.0",
        "input_type": "search_document",
        "texts": ["wing"],
        "embedding_types": ["float"],
        "output_dimension": 256,
        "truncate": "END",
    }


def test_a_query_is_sent_as_one(server: FakeCohere, embedder: CohereEmbedder) -> None:
    embedder.embed_query("wing")

    assert server.received[0].body["input_type"] == "search_query"


def test_a_model_with_one_length_is_not_asked_for_it(server: FakeCohere) -> None:
    embedder = CohereEmbedder(CohereModel("embed-english-v3.0", 1024), SecretStr(KEY), base_url=server.url)

    vector = embedder.embed_query("wing")
    embedder.close()

    assert vector.shape == (1024,)
    assert "output_dimension" not in server.received[0].body


def test_the_key_is_sent_as_bearer_without_its_newline(server: FakeCohere) -> None:
    embedder = CohereEmbedder(MODEL, SecretStr(f"{KEY}\n"), base_url=server.url)

    embedder.embed_query("wing")
    embedder.close()

    assert server.received[0].authorization == f"Bearer {KEY}"


@pytest.mark.parametrize("key", ["", "  ", "two words", "schlüssel", "a\nb", "a\x00b"])
def test_what_cannot_be_a_key_is_refused_before_it_is_sent(key: str) -> None:
    with pytest.raises(EmbeddingFailed) as failed:
        CohereEmbedder(MODEL, SecretStr(key))

    assert str(failed.value) == "cohere: the key is empty or holds characters that no key has"


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504])
def test_a_passing_refusal_is_tried_again_after_the_time_asked_for(
    server: FakeCohere, embedder: CohereEmbedder, waits: Waits, status: int
) -> None:
    server.script.extend([Reply(status, headers={"Retry-After": "3"}), Reply(status, headers={"Retry-After": "0"})])

    embedder.embed_query("wing")

    assert waits.seconds == [3.0, 0.0]
    assert len(server.received) == 3


def test_a_date_to_wait_for_is_understood(server: FakeCohere, embedder: CohereEmbedder, waits: Waits) -> None:
    server.script.append(Reply(503, headers={"Retry-After": formatdate(time.time() - 60, usegmt=True)}))

    embedder.embed_query("wing")

    assert waits.seconds == [0.0]


@pytest.mark.parametrize("unreadable", ["soon", "-3", "1e400"])
def test_an_unreadable_wait_is_ignored(
    server: FakeCohere, embedder: CohereEmbedder, waits: Waits, unreadable: str
) -> None:
    server.script.append(Reply(429, headers={"Retry-After": unreadable}))

    embedder.embed_query("wing")

    assert 0.25 <= waits.seconds[0] <= 0.5


def test_a_broken_connection_is_tried_again(server: FakeCohere, embedder: CohereEmbedder, waits: Waits) -> None:
    server.script.append(Reply(cut=True))

    embedder.embed_query("wing")

    assert len(server.received) == 2
    assert len(waits.seconds) == 1


def test_silence_is_tried_again(server: FakeCohere, waits: Waits) -> None:
    retry = RetryPolicy(attempts=2, sleep=waits.seconds.append)
    embedder = CohereEmbedder(MODEL, SecretStr(KEY), base_url=server.url, timeout_s=0.05, retry=retry)
    server.script.extend([Reply(silent=True), Reply(silent=True)])

    with pytest.raises(EmbeddingFailed, match=r"cohere: no answer within 0\.05 s"):
        embedder.embed_query("wing")
    embedder.close()

    assert len(waits.seconds) == 1


def test_tries_end(server: FakeCohere, embedder: CohereEmbedder) -> None:
    server.script.extend([Reply(500)] * 9)

    with pytest.raises(EmbeddingFailed, match="cohere: status 500: scripted"):
        embedder.embed_documents(["wing"])

    assert len(server.received) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 498])
def test_a_lasting_refusal_is_not_tried_again(server: FakeCohere, embedder: CohereEmbedder, status: int) -> None:
    server.script.append(Reply(status))

    with pytest.raises(EmbeddingFailed, match=f"status {status}"):
        embedder.embed_query("wing")

    assert len(server.received) == 1


def test_nobody_there_is_a_clear_error(waits: Waits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    retry = RetryPolicy(attempts=2, sleep=waits.seconds.append)
    embedder = CohereEmbedder(MODEL, SecretStr(KEY), base_url=f"http://127.0.0.1:{port}", retry=retry)

    with pytest.raises(EmbeddingFailed, match=r"cohere: cannot be reached \(ConnectError\)"):
        embedder.embed_query("wing")
    embedder.close()

    assert len(waits.seconds) == 1


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "nowhere", "http://127.0.0.1:x"])
def test_an_address_that_cannot_work_is_not_tried_again(url: str, waits: Waits) -> None:
    embedder = CohereEmbedder(
        MODEL, SecretStr(KEY), base_url=url, retry=RetryPolicy(attempts=3, sleep=waits.seconds.append)
    )

    with pytest.raises(EmbeddingFailed, match="cohere: the request cannot be sent"):
        embedder.embed_query("wing")
    embedder.close()

    assert waits.seconds == []


ZEROS = [0.0] * 256
WRONG_ANSWERS = {
    "too few vectors": vectors_reply(ZEROS),
    "too many vectors": vectors_reply(ZEROS, ZEROS, ZEROS),
    "vectors too short": vectors_reply([0.0] * 255, [0.0] * 255),
    "vectors of two lengths": vectors_reply(ZEROS, [0.0]),
    "NaN": vectors_reply(ZEROS, [float("nan"), *ZEROS[1:]]),
    "infinity": vectors_reply(ZEROS, [float("inf"), *ZEROS[1:]]),
    "beyond float32": vectors_reply(ZEROS, [1e39, *ZEROS[1:]]),
    "text": vectors_reply(ZEROS, ["wing", *ZEROS[1:]]),
    "null": vectors_reply(ZEROS, None),
    "no floats": Reply(body='{"id": "x", "embeddings": {}}'),
    "no embeddings": Reply(body='{"id": "x"}'),
    "another shape": Reply(body="[]"),
    "no JSON": Reply(body="<html>welcome</html>"),
    "nothing": Reply(body=""),
    "elsewhere": Reply(302, body="", headers={"Location": "http://127.0.0.1:9/v2/embed"}),
}


@pytest.mark.parametrize("case", WRONG_ANSWERS)
def test_a_wrong_answer_is_an_error_and_never_a_vector(server: FakeCohere, embedder: CohereEmbedder, case: str) -> None:
    server.script.append(WRONG_ANSWERS[case])

    with pytest.raises(EmbeddingFailed, match="cohere: "):
        embedder.embed_documents(["wing", "flutter"])

    assert len(server.received) == 1


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_the_key_is_in_no_error_and_no_log(
    server: FakeCohere, embedder: CohereEmbedder, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = json.dumps({"message": f"invalid api token: Bearer {KEY}"})
    server.script.extend([Reply(status, body=echo)] * 3)

    with pytest.raises(EmbeddingFailed) as failed:
        embedder.embed_query("wing")

    error: BaseException | None = failed.value
    assert KEY not in f"{failed.value} {failed.value.facts} {vars(embedder)!r}"
    while error is not None:
        assert KEY not in repr(error) + str(error)
        error = error.__cause__ or error.__context__
    assert caplog.records
    assert KEY not in caplog.text


def test_a_closed_embedder_can_be_used_again(embedder: CohereEmbedder) -> None:
    before = embedder.embed_query("wing")

    embedder.close()

    assert embedder.embed_query("wing").tobytes() == before.tobytes()


@pytest.mark.parametrize(
    ("written", "model"),
    [
        ("embed-v4.0", CohereModel("embed-v4.0", 1536)),
        ("embed-v4.0@512", CohereModel("embed-v4.0", 512)),
        ("embed-english-v3.0", CohereModel("embed-english-v3.0", 1024)),
        ("embed-v9@77", CohereModel("embed-v9", 77)),
        ("embed-v9", None),
        ("embed-v4.0@513", None),
        ("embed-english-v3.0@512", None),
        ("embed-v4.0@", None),
        ("embed-v4.0@x", None),
        ("embed-v9@0", None),
        ("embed-v9@16385", None),
        ("embed-v9@99999999999999999999", None),
        ("@77", None),
        ("", None),
    ],
)
def test_a_model_is_known_or_gives_its_length(written: str, model: CohereModel | None) -> None:
    assert CohereModel.parse(written) == model


@pytest.mark.parametrize("written", ["embed-v4.0", "embed-v4.0@512", "embed-v9@77", "embed-english-v3.0"])
def test_a_name_leads_back_to_its_model(written: str) -> None:
    model = CohereModel.parse(written)

    assert model is not None
    assert model.name == f"cohere/{written}"


def test_a_models_own_length_may_be_written_out() -> None:
    assert CohereModel.parse("embed-v4.0@1536") == CohereModel.parse("embed-v4.0")

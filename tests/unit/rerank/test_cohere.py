"""Cohere's reranker through the real SDK against a local server that speaks its protocol."""

import json
import logging
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from pergamum.embedding.retry import RetryPolicy
from pergamum.errors import RerankFailed
from pergamum.rerank.cohere import CohereReranker
from tests.support.fake_cohere import FakeCohere, Reply, fake_cohere

KEY = "fake-key-that-opens-nothing"
MODEL = "rerank-v3.5"


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
def waits() -> list[float]:
    return []


@pytest.fixture
def reranker(server: FakeCohere, waits: list[float]) -> Iterator[CohereReranker]:
    retry = RetryPolicy(attempts=3, sleep=waits.append)
    reranker = CohereReranker(MODEL, SecretStr(KEY), base_url=server.url, retry=retry)
    yield reranker
    reranker.close()


def results(*results: object) -> Reply:
    return Reply(body=json.dumps({"id": "x", "results": list(results)}))


def result(index: object, relevance: object) -> dict[str, object]:
    return {"index": index, "relevance_score": relevance}


def test_a_request_says_all_that_decides_the_relevance(server: FakeCohere, reranker: CohereReranker) -> None:
    reranker.rerank("the lift", ["wing", "the flutter"])

    assert server.received[0].path == "/v2/rerank"
    assert server.received[0].body == {"model": MODEL, "query": "the lift", "documents": ["wing", "the flutter"]}


def test_results_come_sorted_and_go_back_to_their_texts(reranker: CohereReranker) -> None:
    relevances = reranker.rerank("lift of wings", ["of", "heat", "lift of wings", "wings of"])

    assert relevances == pytest.approx([1 / 3, 0, 1, 2 / 3])


def test_many_texts_go_out_in_calls_of_a_thousand(server: FakeCohere, reranker: CohereReranker) -> None:
    texts = [f"text {number}" for number in range(2100)]

    relevances = reranker.rerank("text 2050", texts)

    assert [len(request.texts) for request in server.received] == [1000, 1000, 100]
    assert [text for request in server.received for text in request.texts] == texts
    assert relevances == [1.0 if number == 2050 else 0.5 for number in range(2100)]


def test_blank_texts_and_questions_are_not_sent(server: FakeCohere, reranker: CohereReranker) -> None:
    relevances = reranker.rerank("wing", ["", "wing", " \n", "a wing"])
    nothing = [reranker.rerank("wing", []), reranker.rerank("wing", [" "]), reranker.rerank(" ", ["wing"])]

    assert relevances == [0.0, 1.0, 0.0, 1.0]
    assert nothing == [[], [0.0], [0.0]]
    assert [request.texts for request in server.received] == [["wing", "a wing"]]


def test_the_name_says_provider_and_model(reranker: CohereReranker) -> None:
    assert reranker.name == "cohere/rerank-v3.5"


def test_a_passing_refusal_is_tried_again_after_the_time_asked_for(
    server: FakeCohere, reranker: CohereReranker, waits: list[float]
) -> None:
    server.script.extend([Reply(429, headers={"Retry-After": "3"}), Reply(503, headers={"Retry-After": "0"})])

    assert reranker.rerank("wing", ["wing"]) == [1.0]

    assert waits == [3.0, 0.0]
    assert len(server.received) == 3


def test_tries_end(server: FakeCohere, reranker: CohereReranker) -> None:
    server.script.extend([Reply(500)] * 9)

    with pytest.raises(RerankFailed, match="cohere: status 500: scripted") as failed:
        reranker.rerank("wing", ["wing"])

    assert failed.value.facts == {"provider": "cohere", "reason": "status 500: scripted"}
    assert len(server.received) == 3


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_a_lasting_refusal_is_not_tried_again(server: FakeCohere, reranker: CohereReranker, status: int) -> None:
    server.script.append(Reply(status))

    with pytest.raises(RerankFailed, match=f"status {status}"):
        reranker.rerank("wing", ["wing"])

    assert len(server.received) == 1


def test_if_a_later_call_fails_nothing_is_returned(server: FakeCohere, reranker: CohereReranker) -> None:
    first = results(*(result(place, 0.5) for place in range(1000)))
    server.script.extend([first, Reply(400)])

    with pytest.raises(RerankFailed):
        reranker.rerank("wing", ["wing"] * 1001)


WRONG_ANSWERS = {
    "too few": results(result(0, 0.5)),
    "too many": results(result(0, 0.5), result(1, 0.5), result(2, 0.5)),
    "one twice": results(result(0, 0.5), result(0, 0.5)),
    "one twice beside all": results(result(0, 0.5), result(1, 0.5), result(1, 0.5)),
    "a place that is none": results(result(0, 0.5), result(2, 0.5)),
    "a place below 0": results(result(0, 0.5), result(-1, 0.5)),
    "a place in words": results(result(0, 0.5), result("first", 0.5)),
    "NaN": results(result(0, 0.5), result(1, float("nan"))),
    "infinity": results(result(0, 0.5), result(1, float("inf"))),
    "text": results(result(0, 0.5), result(1, "high")),
    "null": results(result(0, 0.5), result(1, None)),
    "no relevance": results(result(0, 0.5), {"index": 1}),
    "no result": results(result(0, 0.5), None),
    "results no list": Reply(body='{"id": "x", "results": {}}'),
    "no results": Reply(body='{"id": "x"}'),
    "another shape": Reply(body="[]"),
    "no JSON": Reply(body="<html>welcome</html>"),
    "nothing": Reply(body=""),
    "elsewhere": Reply(302, body="", headers={"Location": "http://127.0.0.1:9/v2/rerank"}),
}


@pytest.mark.parametrize("case", WRONG_ANSWERS)
def test_a_wrong_answer_is_an_error_and_never_a_relevance(
    server: FakeCohere, reranker: CohereReranker, case: str
) -> None:
    server.script.append(WRONG_ANSWERS[case])

    with pytest.raises(RerankFailed, match="cohere: "):
        reranker.rerank("lift", ["wing", "flutter"])

    assert len(server.received) == 1


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_the_key_is_in_no_error_and_no_log(
    server: FakeCohere, reranker: CohereReranker, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = json.dumps({"message": f"invalid api token: Bearer {KEY}"})
    server.script.extend([Reply(status, body=echo)] * 3)

    with pytest.raises(RerankFailed) as failed:
        reranker.rerank("wing", ["wing"])

    error: BaseException | None = failed.value
    assert KEY not in f"{failed.value} {failed.value.facts} {vars(reranker)!r}"
    while error is not None:
        assert KEY not in repr(error) + str(error)
        error = error.__cause__ or error.__context__
    assert caplog.records
    assert KEY not in caplog.text


@pytest.mark.parametrize("key", ["", "two words", "schlüssel", "a\nb"])
def test_what_cannot_be_a_key_is_refused_before_it_is_sent(key: str) -> None:
    with pytest.raises(RerankFailed, match="cohere: the key is empty or holds characters that no key has"):
        CohereReranker(MODEL, SecretStr(key))


def test_a_closed_reranker_can_be_used_again(reranker: CohereReranker) -> None:
    before = reranker.rerank("a wing", ["wing"])

    reranker.close()

    assert reranker.rerank("a wing", ["wing"]) == before

"""What goes out besides path and body: patience, keys, conditions, tokens."""

from collections.abc import Mapping

import httpx
import pytest

from pergamum.client import Pergamum
from pergamum.client.tokens import MOST_LIBRARIES, Tokens

LIBRARY = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


class Recorder:
    """A server that deletes whatever it is asked to, finds nothing, and remembers what was asked."""

    def __init__(self, token: str | None = None) -> None:
        self.requests: list[httpx.Request] = []
        self._headers = {} if token is None else {"pergamum-token": token}
        http = httpx.Client(transport=httpx.MockTransport(self._answer), base_url="http://pergamum.test", timeout=7.0)
        self.client = Pergamum(http=http, max_retries=0)

    @property
    def last(self) -> Mapping[str, str]:
        return self.requests[-1].headers

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.method == "DELETE":
            return httpx.Response(204, headers=self._headers)
        return httpx.Response(200, json={"count": 0, "matched": 0, "deleted": 0, "position": 3})


def test_every_write_has_a_key_of_its_own() -> None:
    server = Recorder()
    documents = server.client.library("l").documents

    documents.delete("1")
    first = server.last["idempotency-key"]
    documents.delete("1")

    assert server.last["idempotency-key"] != first
    assert len(first) >= 32


def test_a_key_may_be_given() -> None:
    server = Recorder()

    server.client.library("l").documents.delete("1", idempotency_key="order-66")

    assert server.last["idempotency-key"] == "order-66"


def test_reads_have_no_key() -> None:
    server = Recorder()

    server.client.library("l").documents.count()
    server.client.library("l").documents.delete_where({"field": "a", "op": "exists"}, dry_run=True)

    assert all("idempotency-key" not in request.headers for request in server.requests)


@pytest.mark.parametrize(("given", "sent"), [("3-x", '"3-x"'), ('"3-x"', '"3-x"'), ("*", "*")])
def test_a_condition_is_sent_as_http_wants_it(given: str, sent: str) -> None:
    server = Recorder()

    server.client.library("l").documents.delete("1", if_match=given)

    assert server.last["if-match"] == sent


def test_patience_is_that_of_the_call_or_else_of_the_client() -> None:
    server = Recorder()
    documents = server.client.library("l").documents

    documents.count(timeout=1.5)
    documents.count()

    assert [request.extensions["timeout"]["read"] for request in server.requests] == [1.5, 7.0]


def test_a_read_after_a_write_asks_for_its_position() -> None:
    server = Recorder(token=f"{LIBRARY}:12")
    documents = server.client.library("l").documents

    documents.count()
    documents.delete("1")
    documents.count()

    asked = [request.headers.get("pergamum-min-position") for request in server.requests]
    assert asked == [None, None, f"{LIBRARY}:12"]


def test_tokens_keep_the_highest_position_of_the_libraries_written_last() -> None:
    tokens = Tokens()

    tokens.note("a:5")
    tokens.note("b:1")
    tokens.note("a:4")

    assert tokens.header == "b:1,a:5"


@pytest.mark.parametrize("token", [None, "", "12", ":12", "a:", "a:-1", "a:x"])
def test_what_is_no_token_is_left_alone(token: str | None) -> None:
    tokens = Tokens()

    tokens.note(token)

    assert tokens.header is None


def test_tokens_stay_few() -> None:
    tokens = Tokens()

    for number in range(MOST_LIBRARIES + 3):
        tokens.note(f"{number}:1")

    assert tokens.header is not None
    assert tokens.header.split(",")[0] == "3:1"


def test_the_key_of_who_asks_is_sent_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERGAMUM_API_KEY", "secret-one")
    with Pergamum() as from_environment, Pergamum(api_key="secret-two") as given:  # pragma: allowlist secret
        headers = [client._transport._pools.all[0].headers["authorization"] for client in (from_environment, given)]
        shown = repr(given) + repr(given._transport.__dict__)

    assert headers == ["Bearer secret-one", "Bearer secret-two"]
    assert "secret" not in shown

"""The client against the whole app in this process: all but the sockets is real."""

from collections.abc import Iterator
from itertools import count

import httpx
import pytest
from starlette.testclient import TestClient

from pergamum.app import build
from pergamum.client import Library, Pergamum
from pergamum.settings import Settings

NUMBERS = count()


def bridge(app: TestClient) -> httpx.MockTransport:
    """Hand requests to the app instead of a network."""

    def answer(request: httpx.Request) -> httpx.Response:
        received = app.request(request.method, str(request.url), content=request.content, headers=dict(request.headers))
        return httpx.Response(received.status_code, content=received.content, headers=dict(received.headers))

    return httpx.MockTransport(answer)


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pergamum]:
    """A client that all tests of a run share; each makes its own library."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("client") / "data", log_level="error")
    with TestClient(build(settings)) as app:
        http = httpx.Client(transport=bridge(app), base_url="http://testserver")
        with Pergamum(http=http, max_retries=0) as client:
            yield client


@pytest.fixture
def texts(client: Pergamum) -> Library:
    """A fresh library that embeds texts."""
    return client.libraries.create(name=f"texts {next(NUMBERS)}")


@pytest.fixture
def vectors(client: Pergamum) -> Library:
    """A fresh library of 2-d vectors compared by their l2 distance, without a model."""
    return client.libraries.create(name=f"vectors {next(NUMBERS)}", metric="l2", dimension=2)

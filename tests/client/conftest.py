"""The client against the whole app in this process: all but the sockets is real."""

from collections.abc import Callable, Iterator
from itertools import count

import httpx
import pytest
from starlette.testclient import TestClient

from pergamum.app import build
from pergamum.client import Library, Pergamum
from pergamum.settings import Settings
from tests.support.results import HOSTILE

NUMBERS = count()


def bridge(app: TestClient) -> httpx.MockTransport:
    """Hand requests to the app instead of a network."""

    def answer(request: httpx.Request) -> httpx.Response:
        received = app.request(request.method, str(request.url), content=request.content, headers=dict(request.headers))
        return httpx.Response(received.status_code, content=received.content, headers=dict(received.headers))

    return httpx.MockTransport(answer)


@pytest.fixture(scope="session")
def bridged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.MockTransport]:
    """The app that all tests of a run share."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("client") / "data", log_level="error")
    with TestClient(build(settings)) as app:
        yield bridge(app)


@pytest.fixture(scope="session")
def client(bridged: httpx.MockTransport) -> Iterator[Pergamum]:
    """A client that all tests of a run share; each makes its own library."""
    http = httpx.Client(transport=bridged, base_url="http://testserver", timeout=None)
    with Pergamum(http=http, max_retries=0) as client:
        yield client


@pytest.fixture(scope="session")
def number() -> Callable[[], int]:
    """Numbers for names that are used once."""
    return NUMBERS.__next__


@pytest.fixture
def texts(client: Pergamum) -> Library:
    """A fresh library that embeds texts."""
    return client.libraries.create(name=f"texts {next(NUMBERS)}")


@pytest.fixture
def vectors(client: Pergamum) -> Library:
    """A fresh library of 2-d vectors compared by their l2 distance, without a model."""
    return client.libraries.create(name=f"vectors {next(NUMBERS)}", metric="l2", dimension=2)


@pytest.fixture(scope="session")
def books(client: Pergamum) -> Library:
    """A library of three documents, one of them hostile."""
    library = client.libraries.create(name="books to show")
    library.documents.add(
        id="tides", title="Tides", text="The moon pulls the sea.", metadata={"year": 1687, "kind": "a"}
    )
    library.documents.add(id="cats", text="Cats sleep all day.", metadata={"year": 1915})
    library.documents.add(id="evil", title=HOSTILE, text=f"{HOSTILE} moon {HOSTILE}", metadata={HOSTILE: HOSTILE})
    return library

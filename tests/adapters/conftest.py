"""The adapters against one real server: `pergamum serve` on a free port, as their users have it."""

from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest

from pergamum.client import AsyncPergamum, Pergamum
from tests.support.server import running_server

NUMBERS = count()


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server that all tests of a run share; each makes its own library."""
    with running_server(tmp_path_factory.mktemp("adapters") / "data", PERGAMUM_LOG_LEVEL="error") as server:
        yield server.base_url


@pytest.fixture(scope="session")
def client(server_url: str) -> Iterator[Pergamum]:
    """A client of that server."""
    with Pergamum(server_url, max_retries=0) as client:
        yield client


@pytest.fixture
async def aclient(server_url: str) -> AsyncIterator[AsyncPergamum]:
    """An asynchronous client of that server, for the event loop of one test."""
    async with AsyncPergamum(server_url, max_retries=0) as client:
        yield client


@pytest.fixture
def library_name() -> str:
    """A name that no library of the server has yet."""
    return f"adapters {next(NUMBERS)}"

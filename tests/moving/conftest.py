"""One server for all moves, and one place of each kind with the same few rows."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from pergamum.client import Pergamum
from tests.cli.conftest import Shell
from tests.support.server import RunningServer, running_server

NUMBERS = count()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that all tests of a run share; each makes its own library."""
    with running_server(tmp_path_factory.mktemp("moving") / "data", PERGAMUM_LOG_LEVEL="warning") as server:
        yield server


@pytest.fixture(scope="session")
def client(server: RunningServer) -> Iterator[Pergamum]:
    """A client of the server."""
    with Pergamum(server.base_url) as client:
        yield client


@pytest.fixture
def shell(server: RunningServer, tmp_path: Path) -> Shell:
    """Commands that know the server and keep their state in the test's folder."""
    return Shell(server.base_url, tmp_path / "state")


@pytest.fixture
def name() -> str:
    """A name that no library has yet."""
    return f"moved {next(NUMBERS)}"

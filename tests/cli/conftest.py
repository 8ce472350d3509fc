"""The commands in this process, against a server in a process of its own."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pergamum.cli.main import app
from pergamum.client import Pergamum
from tests.support.server import RunningServer, running_server

NUMBERS = count()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended. `out` is what programs read, `err` what people read."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - any JSON value
        return json.loads(self.out)


class Shell:
    """Runs commands against one server."""

    def __init__(self, url: str, state: Path) -> None:
        self.environment = {"PERGAMUM_URL": url, "XDG_STATE_HOME": str(state), "COLUMNS": "200"}

    def __call__(self, *arguments: str | Path, input: str | None = None) -> Ended:
        done = CliRunner().invoke(app, list(map(str, arguments)), input=input, env=self.environment)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Ended(done.exit_code, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that all tests of a run share; each makes its own library."""
    with running_server(tmp_path_factory.mktemp("cli") / "data", PERGAMUM_LOG_LEVEL="warning") as server:
        yield server


@pytest.fixture
def shell(server: RunningServer, tmp_path: Path) -> Shell:
    """Commands that know the server and keep their state in the test's folder."""
    return Shell(server.base_url, tmp_path / "state")


@pytest.fixture
def client(server: RunningServer) -> Iterator[Pergamum]:
    """A client of the server, to look at what a command did."""
    with Pergamum(server.base_url) as client:
        yield client


@pytest.fixture
def name() -> str:
    """A name that no library has yet."""
    return f"library {next(NUMBERS)}"

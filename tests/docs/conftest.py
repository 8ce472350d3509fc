"""The server that what is documented runs against."""

from collections.abc import Iterator

import pytest

from tests.support.server import RunningServer, running_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that the pages and docstrings share, one after another; each empties it first."""
    with running_server(tmp_path_factory.mktemp("documented") / "data") as server:
        yield server

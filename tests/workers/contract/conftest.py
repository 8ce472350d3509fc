"""The fixtures of tests/api, of a process that only reads: what holds of the API holds of it."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from tests.api.conftest import library, texts
from tests.workers.beside import Beside, reading_beside

__all__ = ["library", "texts"]


@pytest.fixture(scope="session")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    """Two processes that all tests of a run share."""
    with reading_beside(tmp_path_factory.mktemp("beside") / "data") as beside:
        yield beside


@pytest.fixture(scope="session")
def client(beside: Beside) -> TestClient:
    """A client of the one that only reads; each test makes its own library."""
    return beside.client

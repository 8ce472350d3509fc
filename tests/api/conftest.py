"""The whole app in this process, on a data folder of its own, without sockets."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from pergamum.app import build
from pergamum.settings import Settings

NUMBERS = count()


@contextmanager
def serving(data_dir: Path, **settings: int) -> Iterator[TestClient]:
    """Yield a client of an app that is started and, at the end, stopped."""
    with TestClient(build(Settings.model_validate({"data_dir": data_dir, "log_level": "error", **settings}))) as client:
        yield client


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client that all tests of a run share; each makes its own library."""
    with serving(tmp_path_factory.mktemp("api") / "data") as client:
        yield client


@pytest.fixture
def library(client: TestClient) -> str:
    """The path of a fresh library of 2-d vectors, compared by their l2 distance, without a model."""
    return new_library(client, metric="l2", dimension=2)


@pytest.fixture
def texts(client: TestClient) -> str:
    """The path of a fresh library that embeds texts with the local model."""
    return new_library(client)


def new_library(client: TestClient, **fields: object) -> str:
    """Create a library and return its path."""
    name = f"library {next(NUMBERS)}"
    answer = client.post("/v1/libraries", json={"name": name, **fields})
    assert answer.status_code == 201, answer.text
    return f"/v1/libraries/{answer.json()['id']}"


def put(client: TestClient, library: str, document: str, *chunks: dict[str, Any], **fields: object) -> dict[str, Any]:
    """Store a document with chunks and return the answer."""
    answer = client.put(f"{library}/documents/{document}", json={"chunks": list(chunks), **fields})
    assert answer.status_code in {200, 201}, answer.text
    stored: dict[str, Any] = answer.json()
    return stored


def chunk(id: str, *numbers: float, **fields: object) -> dict[str, Any]:
    """Return a chunk to store; its text is its id unless given."""
    return {"id": id, "text": id, "embedding": list(numbers), **fields}


def assert_problem(answer: httpx2.Response, status: int, slug: str) -> dict[str, Any]:
    """Check the shape of a problem and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["type"] == f"/problems/{slug}"
    assert problem["status"] == status
    assert {"title", "detail", "instance"} <= problem.keys()
    return problem

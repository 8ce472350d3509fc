"""Tokens: every write tells where it stands, and a read may ask to see it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from starlette.testclient import TestClient

from tests.api.conftest import NUMBERS, assert_problem, chunk, new_library, put, serving

OTHER = UUID("7c9e6679-7425-40de-944b-e07fc1f90ae7")
WRITES = [
    ("POST", "/documents", {}),
    ("PUT", "/documents/d", {}),
    ("PATCH", "/documents/d", {"title": "t"}),
    ("POST", "/documents:batch", {"documents": [{}]}),
    ("POST", "/documents:update", {"filter": {"and": []}, "set": {"title": "u"}}),
    ("PATCH", "", {"recall": 0.9}),
    ("PATCH", "/schema", {"documents": {"add": {"year": {"type": "integer"}}}}),
    ("POST", "/index", {"kind": "brute_force"}),
    ("DELETE", "/documents/d", None),
    ("DELETE", "", None),
]


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of a server that does not wait for positions, with room for one open library."""
    settings = {"min_position_seconds": 0, "max_open_libraries": 1}
    with serving(tmp_path_factory.mktemp("impatient") / "data", **settings) as client:
        yield client


@pytest.fixture
def quick(impatient: TestClient) -> str:
    """The path of a fresh library on the server that does not wait."""
    return new_library(impatient, metric="l2", dimension=2)


def asking(*tokens: object) -> dict[str, str]:
    return {"Pergamum-Min-Position": ", ".join(map(str, tokens))}


def test_every_write_tells_its_library_and_position(client: TestClient, library: str) -> None:
    library_id = library.rpartition("/")[2]
    for method, path, body in WRITES:
        answer = client.request(method, library + path, json=body)

        assert answer.is_success, answer.text
        position = answer.headers["Pergamum-Position"]
        assert answer.headers["Pergamum-Token"] == f"{library_id}:{position}"


def test_imports_and_creations_tell_it_too(client: TestClient, library: str) -> None:
    ndjson = {"content-type": "application/x-ndjson"}
    made = client.post("/v1/libraries", json={"name": f"token {next(NUMBERS)}"})
    imported = client.post(f"{library}/documents:import", content=b'{"id": "a"}\n', headers=ndjson)

    assert made.headers["Pergamum-Token"] == f"{made.json()['id']}:0"
    assert imported.headers["Pergamum-Token"] == f"{library.rpartition('/')[2]}:1"


def test_reads_tell_none(client: TestClient, library: str) -> None:
    for answer in (client.get(library), client.get(f"{library}/documents")):
        assert "Pergamum-Token" not in answer.headers


def test_what_was_written_is_seen(impatient: TestClient, quick: str) -> None:
    put(impatient, quick, "d", chunk("a", 1, 2))
    token = impatient.patch(f"{quick}/documents/d", json={"title": "t"}).headers["Pergamum-Token"]

    for wanted in (2, 1, 0, token, token.upper(), f"{uuid4()}:9"):
        found = impatient.post(f"{quick}/search", json={"vector": [1, 2]}, headers=asking(wanted))
        read = impatient.get(f"{quick}/documents/d", headers=asking(wanted))

        assert (found.status_code, found.json()["position"]) == (200, 2)
        assert (read.status_code, read.json()["title"]) == (200, "t")


def test_a_position_not_reached_is_told(impatient: TestClient, quick: str) -> None:
    library_id = quick.rpartition("/")[2]
    for wanted in (1, 10**18 - 1, f"{library_id}:1", f"{uuid4()}:1, {library_id}:1", "0, 1"):
        for method, path, body in (
            ("GET", "", None),
            ("POST", "/search", {"vector": [1, 2]}),
            ("PUT", "/chunks/c", {}),
        ):
            answer = impatient.request(method, quick + path, json=body, headers=asking(wanted))

            problem = assert_problem(answer, 504, "position-not-reached")
            assert problem["position"] == 0
            assert problem["wanted"] in {1, 10**18 - 1}


def test_tokens_of_other_libraries_do_not_matter(impatient: TestClient, quick: str) -> None:
    assert impatient.get(quick, headers=asking(f"{uuid4()}:7", f"{UUID(int=0)}:9")).status_code == 200


def test_a_library_that_is_closed_is_opened_to_be_asked(impatient: TestClient, quick: str) -> None:
    token = impatient.post(f"{quick}/documents", json={}).headers["Pergamum-Token"]
    other = new_library(impatient)
    assert impatient.get(other).is_success  # there is room for one

    assert impatient.get(quick, headers=asking(token)).json()["documents"] == 1
    impatient.get(other)
    assert_problem(impatient.get(quick, headers=asking(2)), 504, "position-not-reached")


def test_a_library_that_is_not_there_is_not_found(impatient: TestClient) -> None:
    for name in ("none", str(uuid4()), "%2F"):
        answer = impatient.get(f"/v1/libraries/{name}", headers=asking(5))

        assert_problem(answer, 404, "library-not-found")


def test_a_library_is_meant_by_any_of_its_names(impatient: TestClient) -> None:
    name = f"üñí % {next(NUMBERS)}"
    new_library(impatient, name=name)

    answer = impatient.get(f"/v1/libraries/{quote(name, safe='')}", headers=asking(1))

    assert_problem(answer, 504, "position-not-reached")


@pytest.mark.parametrize(
    "value", ["", "x", "-1", "1.5", "1 2", "1,", ",", "1;2", f"{OTHER}", f"{OTHER}:", "9" * 19, "é"]
)
def test_what_is_no_position_is_refused(client: TestClient, library: str, value: str) -> None:
    answer = client.get(library, headers={b"Pergamum-Min-Position": value.encode("latin-1")})

    assert assert_problem(answer, 422, "invalid-field")["field"] == "Pergamum-Min-Position"


def test_requests_on_no_library_ask_for_nothing(impatient: TestClient) -> None:
    assert impatient.get("/v1/libraries", headers=asking("nonsense")).status_code == 200


def test_a_read_waits_for_the_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write is made while the read waits: by the first of its sleeps."""
    with serving(tmp_path / "data", min_position_seconds=60) as client:
        library = new_library(client)
        slept, sleep = list[float](), asyncio.sleep
        services = client.app.state.services  # type: ignore[attr-defined]  # the app that the client runs

        async def write_meanwhile(seconds: float) -> None:
            if not slept:
                await asyncio.to_thread(services.libraries.update, library.rpartition("/")[2], {"recall": 0.7}, {})
            slept.append(seconds)
            await sleep(0)

        monkeypatch.setattr(asyncio, "sleep", write_meanwhile)
        answer = client.get(library, headers=asking(1))

    assert (answer.status_code, answer.json()["recall"], answer.json()["position"]) == (200, 0.7, 1)
    assert slept

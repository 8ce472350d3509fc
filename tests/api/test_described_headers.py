"""The description of the API tells of the headers that requests take and answers bear."""

from collections.abc import Iterator
from typing import Any

from starlette.testclient import TestClient

WRITING = {"post", "put", "patch", "delete"}
ASKING = (":query", ":count", ":facets", "/search", "/search:batch", ":import")
ONE = ("/v1/libraries/{library}", "/documents/{document}", "/chunks/{chunk}")


def operations(client: TestClient) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def taken(operation: dict[str, Any]) -> set[str]:
    return {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "header"}


def test_every_write_but_an_import_takes_a_key(client: TestClient) -> None:
    keyed = {(path, method) for path, method, operation in operations(client) if "Idempotency-Key" in taken(operation)}
    writes = {(path, method) for path, method, _ in operations(client) if method in WRITING}

    assert keyed == {(path, method) for path, method in writes if not path.endswith(ASKING)}


def test_changes_of_one_thing_take_etags_and_tell_of_412(client: TestClient) -> None:
    conditional = [each for each in operations(client) if "If-Match" in taken(each[2])]

    assert {(path.removeprefix("/v1/libraries/{library}") or path, method) for path, method, _ in conditional} == {
        (one, method) for one in ONE for method in ("put", "patch", "delete")
    }
    assert all("412" in operation["responses"] for _, _, operation in conditional)


def test_every_request_on_a_library_may_ask_for_a_position(client: TestClient) -> None:
    for path, _, operation in operations(client):
        asked = "Pergamum-Min-Position" in taken(operation)
        assert asked == ("504" in operation["responses"]) == ("{library}" in path), path


def test_every_answer_of_a_write_tells_its_token(client: TestClient) -> None:
    for path, method, operation in operations(client):
        if "Idempotency-Key" in taken(operation):
            headers = [
                answer.get("headers", {}) for status, answer in operation["responses"].items() if status[0] == "2"
            ]
            assert any({"Pergamum-Position", "Pergamum-Token", "Idempotency-Replayed"} <= h.keys() for h in headers), (
                path,
                method,
            )

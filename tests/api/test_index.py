from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from tests.api.conftest import assert_problem, chunk, put


def test_auto_reports_what_is_active(client: TestClient, library: str) -> None:
    put(client, library, "d", chunk("a", 1, 1), chunk("b", 1, 1))
    client.delete(f"{library}/chunks/a")

    index = client.get(f"{library}/index").json()

    assert (index["kind"], index["params"], index["active"]) == ("auto", {}, "brute_force")
    assert (index["slots"], index["dead_slots"], index["damaged"]) == (2, 1, 0)


def test_another_index_is_an_operation_that_can_be_followed(client: TestClient, library: str) -> None:
    answer = client.post(f"{library}/index", json={"kind": "brute_force", "params": {}})

    assert (answer.status_code, answer.headers["pergamum-position"]) == (202, "1")
    operation = client.get(answer.headers["location"]).json()
    assert operation == answer.json()
    assert (operation["status"], operation["progress"], operation["error"]) == ("succeeded", 1.0, None)
    assert operation["result"] == {"kind": "brute_force", "active": "brute_force", "position": 1}
    assert client.get(f"{library}/index").json()["kind"] == "brute_force"
    assert client.get(library).json()["index"] == {"kind": "brute_force", "params": {}}


@pytest.mark.parametrize(
    "body", [{"kind": "hnsw"}, {"kind": "auto", "params": {"m": 8}}, {"kind": None}, [], {"sort": 1}]
)
def test_an_index_that_does_not_exist_is_refused(client: TestClient, library: str, body: object) -> None:
    assert_problem(client.post(f"{library}/index", json=body), 422, "invalid-request")
    assert client.get(library).json()["position"] == 0


def test_an_unknown_operation_is_not_found(client: TestClient) -> None:
    for id in (str(uuid4()), "nonsense"):
        assert_problem(client.get(f"/v1/operations/{id}"), 404, "operation-not-found")

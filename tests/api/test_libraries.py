from typing import Any
from uuid import UUID, uuid4

import pytest
from starlette.testclient import TestClient

from tests.api.conftest import NUMBERS, assert_problem, chunk, new_library, put


def test_a_library_says_what_it_is_and_what_it_holds(client: TestClient) -> None:
    body = {"name": "papers", "description": "about wings", "metric": "dot", "dimension": 3, "recall": 0.9}

    answer = client.post("/v1/libraries", json=body)

    assert answer.status_code == 201
    created = answer.json()
    assert created | body == created
    assert created["embedding_model"] is None
    assert created["index"] == {"kind": "auto", "params": {}}
    assert (created["documents"], created["chunks"], created["version"], created["position"]) == (0, 0, 1, 0)
    assert created["created_at"].endswith("Z")
    assert answer.headers["location"] == f"/v1/libraries/{created['id']}"
    assert answer.headers["pergamum-position"] == "0"
    assert client.get("/v1/libraries/papers").json() == created
    assert client.get(answer.headers["location"]).json() == created


@pytest.mark.parametrize(
    ("fields", "model", "dimension"),
    [
        ({}, "local", 256),
        ({"dimension": 7}, None, 7),
        ({"embedding_model": None}, None, None),
        ({"embedding_model": "local"}, "local", 256),
        ({"embedding_model": "local", "dimension": 256}, "local", 256),
    ],
)
def test_model_and_dimension_follow_from_what_is_given(
    client: TestClient, fields: dict[str, Any], model: str | None, dimension: int | None
) -> None:
    library = client.get(new_library(client, **fields)).json()

    assert (library["embedding_model"], library["dimension"]) == (model, dimension)


def test_the_first_vector_fixes_the_dimension(client: TestClient) -> None:
    library = new_library(client, embedding_model=None)

    put(client, library, "d", chunk("c", 1, 2, 3))

    assert client.get(library).json()["dimension"] == 3
    refused = client.put(f"{library}/documents/e", json={"chunks": [chunk("x", 1, 2)]})
    problem = assert_problem(refused, 422, "dimension-mismatch")
    assert (problem["expected"], problem["received"], problem["chunk_id"]) == (3, 2, "x")


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "a/b"},
        {"name": "tab\t"},
        {"name": "x" * 129},
        {"name": str(uuid4())},
        {"name": uuid4().hex},
        {"dimension": 0},
        {"dimension": 16_385},
        {"dimension": "2"},
        {"metric": "manhattan"},
        {"recall": 0},
        {"recall": 1.5},
        {"index": {"kind": "magic"}},
        {"metric": "dot", "index": {"kind": "kd_tree"}},
        {"index": {"kind": "auto", "params": {"ef": 1}}},
        {"chunking": {"size": 100, "overlap": 51}},
        {"chunking": {"size": 1}},
        {"colour": "red"},
        {"embedding_model": "local", "dimension": 3},
        {"embedding_model": "cohere/embed-v4.0"},
    ],
)
def test_a_library_that_breaks_a_rule_is_not_created(client: TestClient, fields: dict[str, Any]) -> None:
    answer = client.post("/v1/libraries", json={"name": f"unborn {next(NUMBERS)}", **fields})

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_two_libraries_cannot_have_one_name(client: TestClient) -> None:
    name = f"only {next(NUMBERS)}"
    client.post("/v1/libraries", json={"name": name})
    other = new_library(client)

    assert_problem(client.post("/v1/libraries", json={"name": name}), 409, "library-exists")
    assert_problem(client.patch(other, json={"name": name}), 409, "library-exists")


def test_a_patch_changes_what_it_names_and_nothing_else(client: TestClient) -> None:
    library = new_library(client, dimension=2, description="old", chunking={"size": 600, "overlap": 60})
    before = client.get(library).json()
    name = f"renamed {next(NUMBERS)}"

    answer = client.patch(library, json={"name": name, "description": None, "chunking": {"overlap": 10}})

    assert answer.status_code == 200
    after = answer.json()
    changed = {"name": name, "description": None, "chunking": {"size": 600, "overlap": 10}, "version": 2, "position": 1}
    assert after == before | changed | {"updated_at": after["updated_at"]}
    assert answer.headers["pergamum-position"] == "1"
    assert client.get(f"/v1/libraries/{name}").json() == after
    assert client.get(f"/v1/libraries/{before['name']}").status_code == 404


def test_a_put_replaces_all_that_may_change(client: TestClient) -> None:
    library = new_library(client, dimension=2, metric="l2", description="old", recall=0.9, chunking={"size": 600})
    before = client.get(library).json()
    name = f"replaced {next(NUMBERS)}"

    answer = client.put(library, json={"name": name, "metric": "l2", "dimension": None, "chunking": {"size": 700}})

    assert answer.status_code == 200
    after = answer.json()
    assert after["chunking"] == {"size": 700, "overlap": 200}
    assert (after["name"], after["description"], after["recall"], after["version"]) == (name, None, 0.95, 2)
    kept = ("id", "metric", "dimension", "embedding_model", "created_at")
    assert [after[field] for field in kept] == [before[field] for field in kept]
    assert client.get(f"/v1/libraries/{name}").json() == after


@pytest.mark.parametrize("fields", [{"metric": "dot"}, {"dimension": 3}, {"embedding_model": "local"}])
def test_a_put_cannot_change_what_never_changes(client: TestClient, fields: dict[str, Any]) -> None:
    library = new_library(client, dimension=2, description="old")
    before = client.get(library).json()

    assert_problem(client.put(library, json={"name": "new name", **fields}), 422, "invalid-field")
    assert_problem(client.put(f"/v1/libraries/{uuid4()}", json={"name": "new name"}), 404, "library-not-found")

    assert client.get(library).json() == before


def test_an_empty_patch_changes_nothing(client: TestClient, library: str) -> None:
    before = client.get(library).json()

    answer = client.patch(library, json={}, headers={"content-type": "application/merge-patch+json"})

    assert answer.json() == before


@pytest.mark.parametrize(
    "patch",
    [
        {"name": None},
        {"recall": None},
        {"index": None},
        {"chunking": None},
        {"chunking": {"overlap": 5_000}},
        {"metric": "dot"},
        {"dimension": 5},
    ],
)
def test_what_cannot_change_or_be_null_is_refused(client: TestClient, library: str, patch: dict[str, Any]) -> None:
    answer = client.patch(library, json=patch)

    assert answer.status_code == 422
    assert client.get(library).json()["version"] == 1


def test_a_deleted_library_is_gone_and_its_name_free(client: TestClient) -> None:
    name = f"short-lived {next(NUMBERS)}"
    id = client.post("/v1/libraries", json={"name": name}).json()["id"]

    answer = client.delete(f"/v1/libraries/{name}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["pergamum-position"] == "1"
    assert_problem(client.get(f"/v1/libraries/{id}"), 404, "library-not-found")
    assert_problem(client.post(f"/v1/libraries/{id}/search", json={"vector": [1]}), 404, "library-not-found")
    assert_problem(client.delete(f"/v1/libraries/{name}"), 404, "library-not-found")
    assert UUID(client.post("/v1/libraries", json={"name": name}).json()["id"]) != UUID(id)

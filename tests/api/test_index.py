"""Asking for an index, following and cancelling what builds it, and knowing what it would take."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from pergamum.domain.library import IndexSpec
from pergamum.engine.auto import TRIED
from tests.api.conftest import assert_problem, chunk, new_library, put, serving
from tests.support import forge as forges
from tests.support.forge import Forge

PATIENCE = 20.0
ENDED = {"succeeded", "failed", "cancelled"}


@pytest.fixture
def forge(monkeypatch: pytest.MonkeyPatch) -> Iterator[Forge]:
    """Fake kinds: what is tested here is what surrounds a build."""
    made = forges.install(monkeypatch)
    yield made
    made.go.set()


@pytest.fixture
def filled(client: TestClient, library: str) -> str:
    """The path of a library of two chunks."""
    put(client, library, "d", chunk("a", 1, 1), chunk("b", 2, 1))
    return library


def _followed(client: TestClient, location: str) -> dict[str, Any]:
    """Ask for the operation until it has ended."""
    return _asked_until(client, location, lambda operation: operation["status"] in ENDED)


def _asked_until(client: TestClient, path: str, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    waiting, answer = threading.Event(), dict[str, Any]()
    for _ in range(int(PATIENCE / 0.005)):
        answer.update(client.get(path).json())
        if done(answer):
            return answer
        waiting.wait(0.005)
    raise AssertionError(answer)


def _held(client: TestClient, library: str, forge: Forge, **spec: object) -> str:
    """Ask for an index whose build waits; return the operation's path once it has begun."""
    forge.hold()
    location = str(client.post(f"{library}/index", json=spec).headers["location"])
    assert forge.begun.wait(PATIENCE)
    return location


def test_auto_reports_what_is_active_and_why(client: TestClient, library: str) -> None:
    put(client, library, "d", chunk("a", 1, 1), chunk("b", 1, 1))
    client.delete(f"{library}/chunks/a")

    index = client.get(f"{library}/index").json()

    assert (index["kind"], index["params"], index["active"], index["active_params"]) == ("auto", {}, "brute_force", {})
    assert (index["slots"], index["dead_slots"], index["damaged"], index["tail"]) == (2, 1, 0, 0)
    assert (index["recall_curve"], index["measured_at"], index["operation"]) == (None, None, None)
    assert index["auto"]["kind"] == "brute_force"
    assert index["auto"]["reason"].startswith("1 live chunks: exact search is quick enough")


def test_auto_tells_the_trial_it_chose_by_also_after_a_restart(tmp_path: Path, forge: Forge) -> None:
    limits = {"auto_index_chunks": 40, "auto_index_times": 0, "auto_index_memory_bytes": 20_000}
    chunks = [chunk(f"c{n}", n, 1) for n in range(50)]
    with serving(tmp_path, **limits) as client:
        library = new_library(client, metric="l2", dimension=2, recall=0.6)
        put(client, library, "d", *chunks)
        told = _asked_until(client, f"{library}/index", lambda index: index["auto"]["trial"] and not index["unsaved"])
    auto, trial = told["auto"], told["auto"]["trial"]

    assert (auto["kind"], auto["undecided"], auto["live_chunks"]) == (told["active"], False, 50)
    assert told["active"] in {"hnsw", "ivf"}
    assert f"50 live chunks: {told['active']} " in auto["reason"]
    assert (auto["memory_limit_bytes"], auto["index_from"]) == (20_000, 40)
    assert (trial["live_chunks"], trial["sampled"], trial["queries"], trial["k"]) == (50, 45, 5, 10)
    assert (trial["recall"], trial["revisited_from"]) == (0.6, 500)
    specs = [IndexSpec(one["kind"], one["params"]) for one in trial["candidates"]]
    assert specs == list(TRIED)
    for candidate in trial["candidates"]:
        assert candidate["recall"] >= 0.6
        assert 0 < candidate["sample_seconds"] < 1
        assert candidate["memory_bytes"] > 1_000
        assert (candidate["verdict"] == "chosen") == all(candidate[name] == auto[name] for name in ("kind", "params"))

    with serving(tmp_path, **limits) as client:
        assert client.get(f"{library}/index").json()["auto"] == auto
    with serving(tmp_path, **(limits | {"auto_index_memory_bytes": 10})) as client:
        small = _asked_until(client, f"{library}/index", lambda index: index["active"] == "brute_force")["auto"]
        assert small["reason"] == "50 live chunks: no index reaches recall 0.6 within 10 bytes, so exact search stays"
        assert all("where 10 are allowed" in one["verdict"] for one in small["trial"]["candidates"])
        assert (small["trial"]["measured_at"], small["index_from"]) == (trial["measured_at"], None)
    assert forge.built == 2 * len(TRIED) + 1, "each over two samples, and the one that was chosen"


def test_another_index_is_an_operation_that_can_be_followed(client: TestClient, library: str) -> None:
    answer = client.post(f"{library}/index", json={"kind": "brute_force", "params": {}})

    assert (answer.status_code, answer.headers["pergamum-position"]) == (202, "1")
    operation = client.get(answer.headers["location"]).json()
    assert operation == answer.json()
    assert (operation["status"], operation["progress"], operation["error"]) == ("succeeded", 1.0, None)
    assert operation["result"] == {"kind": "brute_force", "active": "brute_force", "position": 1}
    assert client.get(f"{library}/index").json()["kind"] == "brute_force"
    assert client.get(library).json()["index"] == {"kind": "brute_force", "params": {}}


def test_an_index_is_built_beside_searches(client: TestClient, filled: str, forge: Forge) -> None:
    location = _held(client, filled, forge, kind="lsh", params={"tables": 4})

    operation = client.get(location).json()
    assert (operation["status"], operation["seconds_left"]) == ("running", None)
    assert 0 < operation["progress"] < 1
    index = client.get(f"{filled}/index").json()
    assert (index["kind"], index["active"], f"/v1/operations/{index['operation']}") == ("lsh", "brute_force", location)
    assert _nearest(client, filled) == "a"

    forge.go.set()
    assert _followed(client, location)["result"] == {"kind": "lsh", "active": "lsh", "position": 2}
    index = client.get(f"{filled}/index").json()
    assert (index["active"], index["active_params"], index["operation"], index["auto"]) == (
        "lsh",
        {"tables": 4},
        None,
        None,
    )
    assert index["memory_bytes"] >= index["anonymous_bytes"] >= 0
    assert index["memory_bytes"] > 0
    assert index["disk_bytes"] > 0
    (point,) = index["recall_curve"]
    assert point["low"] <= point["recall"] <= point["high"]
    assert index["measured_at"].startswith("2026-01-01")
    assert _nearest(client, filled) == "a"


def _nearest(client: TestClient, library: str) -> str:
    found = client.post(f"{library}/search", json={"vector": [1, 1], "k": 1}).json()
    return str(found["hits"][0]["chunk_id"])


def test_an_operation_is_cancelled(client: TestClient, filled: str, forge: Forge) -> None:
    location = _held(client, filled, forge, kind="lsh")

    answer = client.delete(location)

    assert (answer.status_code, answer.json()["status"], answer.headers["pergamum-position"]) == (202, "cancelled", "3")
    assert _followed(client, location) == answer.json()
    index = client.get(f"{filled}/index").json()
    assert (index["kind"], index["active"], index["operation"]) == ("auto", "brute_force", None)
    problem = assert_problem(client.delete(location), 409, "operation-ended")
    assert problem["operation_status"] == "cancelled"


def test_a_repeated_cancellation_is_answered_as_the_first_was(client: TestClient, filled: str, forge: Forge) -> None:
    location, key = _held(client, filled, forge, kind="lsh"), {"Idempotency-Key": str(uuid4())}

    first, again = (client.delete(location, headers=key) for _ in range(2))

    assert (first.status_code, first.content) == (again.status_code, again.content) == (202, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["pergamum-token"] == first.headers["pergamum-token"]


def test_what_has_ended_or_never_was_cannot_be_cancelled(client: TestClient, library: str) -> None:
    location = client.post(f"{library}/index", json={"kind": "brute_force"}).headers["location"]

    assert_problem(client.delete(location), 409, "operation-ended")
    for id in (str(uuid4()), "nonsense"):
        assert_problem(client.delete(f"/v1/operations/{id}"), 404, "operation-not-found")


def test_a_failed_build_is_told_and_the_old_index_goes_on(client: TestClient, filled: str, forge: Forge) -> None:
    forge.fail = MemoryError("no room for a graph")

    operation = _followed(client, client.post(f"{filled}/index", json={"kind": "lsh"}).headers["location"])

    assert operation["status"] == "failed"
    assert operation["error"]["type"] == "/problems/build-failed"
    assert operation["error"]["detail"] == "no room for a graph"
    assert client.get(f"{filled}/index").json()["active"] == "brute_force"
    assert _nearest(client, filled) == "a"


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_settings_change_the_index_without_an_operation(
    client: TestClient, filled: str, forge: Forge, method: str
) -> None:
    name = client.get(filled).json()["name"]

    changed = client.request(method, filled, json={"name": name, "index": {"kind": "kd_tree"}})

    assert changed.json()["index"] == {"kind": "kd_tree", "params": {}}
    _asked_until(client, f"{filled}/index", lambda index: index["active"] == "kd_tree")


def test_a_restart_goes_on_with_a_build(tmp_path: Path, forge: Forge) -> None:
    with serving(tmp_path) as client:
        library = new_library(client, metric="l2", dimension=2)
        put(client, library, "d", chunk("a", 1, 1), chunk("b", 2, 1))
        location = _held(client, library, forge, kind="lsh")
    with serving(tmp_path) as client:
        assert client.get(location).json()["status"] == "running"
        forge.go.set()
        assert _followed(client, location)["status"] == "succeeded"
        assert client.get(f"{library}/index").json()["active"] == "lsh"
    with serving(tmp_path) as client:
        assert client.get(f"{library}/index").json()["active"] == "lsh"
    assert forge.built == 1


def test_a_preflight_predicts_and_changes_nothing(client: TestClient, filled: str, forge: Forge) -> None:
    answer = client.post(f"{filled}/index", json={"kind": "lsh", "preflight": True})

    assert answer.status_code == 200, answer.text
    assert "pergamum-position" not in answer.headers
    predicted = answer.json()
    assert (predicted["kind"], predicted["chunks"], predicted["sampled"]) == ("lsh", 2, 2)
    assert predicted["memory_bytes"] > 1_000
    assert predicted["disk_bytes"] > 1_000
    assert predicted["build_seconds"] > 0
    assert predicted["recall_curve"][0]["recall"] == 0.99
    assert client.get(filled).json()["index"]["kind"] == "auto"
    assert client.get(filled).json()["position"] == 1


def test_a_preflight_of_exact_search_builds_nothing(client: TestClient, filled: str, forge: Forge) -> None:
    predicted = client.post(f"{filled}/index", json={"preflight": True}).json()

    assert (predicted["kind"], predicted["build_seconds"], predicted["recall_curve"]) == ("brute_force", 0.0, None)
    assert forge.built == 0


def test_a_preflight_of_auto_makes_the_trial_and_forgets_it(tmp_path: Path, forge: Forge) -> None:
    with serving(tmp_path, auto_index_chunks=40, auto_index_times=0) as client:
        library = new_library(client, metric="l2", dimension=2, recall=0.6, index={"kind": "brute_force"})
        put(client, library, "d", *(chunk(f"c{n}", n, 1) for n in range(50)))

        predicted = client.post(f"{library}/index", json={"kind": "auto", "preflight": True}).json()

        assert predicted["kind"] in {"hnsw", "ivf"}
        assert predicted["recall_curve"][0]["recall"] == 0.99
        assert forge.built == 2 * len(TRIED) + 1
        assert client.get(f"{library}/index").json()["auto"] is None


def test_a_preflight_needs_vectors(client: TestClient, library: str, forge: Forge) -> None:
    assert_problem(client.post(f"{library}/index", json={"kind": "lsh", "preflight": True}), 422, "nothing-to-measure")


@pytest.mark.parametrize("body", [{"kind": "magic"}, {"kind": None}, [], {"sort": 1}, {"preflight": 3}])
def test_an_index_that_does_not_exist_is_refused(client: TestClient, library: str, body: object) -> None:
    assert_problem(client.post(f"{library}/index", json=body), 422, "invalid-request")
    assert client.get(library).json()["position"] == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "auto", "params": {"m": 8}}, "index.params.m"),
        ({"kind": "brute_force", "params": {"m": 8}}, "index.params.m"),
        ({"kind": "kd_tree", "params": {"leaf_size": "large"}}, "index.params.leaf_size"),
        ({"kind": "hnsw", "params": {"magic": 1}}, "index.params.magic"),
        ({"kind": "lsh", "params": {"magic": 1}}, "index.params.magic"),
    ],
)
def test_parameters_that_a_kind_does_not_take_are_refused_by_name(
    client: TestClient, library: str, body: dict[str, Any], field: str
) -> None:
    for preflight in (False, True):
        problem = assert_problem(
            client.post(f"{library}/index", json=body | {"preflight": preflight}), 422, "invalid-field"
        )
        assert problem["field"] == field
    assert_problem(client.patch(library, json={"index": body}), 422, "invalid-field")
    assert client.get(library).json()["position"] == 0


def test_a_tree_cannot_compare_by_dot(client: TestClient) -> None:
    library = new_library(client, metric="dot", dimension=2)

    assert_problem(client.post(f"{library}/index", json={"kind": "kd_tree"}), 422, "invalid-field")


def test_an_unknown_operation_is_not_found(client: TestClient) -> None:
    for id in (str(uuid4()), "nonsense"):
        assert_problem(client.get(f"/v1/operations/{id}"), 404, "operation-not-found")

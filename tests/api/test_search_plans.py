"""The recall a search asks for decides how it is answered, and what the answer says of itself."""

from collections.abc import Iterator

import numpy as np
import pytest
from starlette.testclient import TestClient

from pergamum.domain.library import IndexKind, IndexSpec
from pergamum.engine.live_library import LiveLibrary
from pergamum.engine.view import Built, Made
from tests.api.conftest import chunk, new_library, put
from tests.support.fake_index import FakeIndex, curve, layered, point
from tests.support.kernels import prepare_kernels

CHUNKS = 200
GRAPH = [point(20, 0.6, 1e-9), point(40, 0.85, 2e-9), point(160, 0.97, 4e-9)]
SCANS = [point(0, 1.0, 1e-3, strategy="exact_scan", k=k) for k in (10, 100)]


@pytest.fixture
def planned(client: TestClient) -> Iterator[tuple[str, LiveLibrary, FakeIndex]]:
    """A library whose index is a fake one with a curve."""
    prepare_kernels()
    path = new_library(client, metric="l2", dimension=2, recall=0.9)
    numbers = np.random.default_rng(0).standard_normal((CHUNKS, 2)).tolist()
    put(client, path, "d", *(chunk(str(n), *row) for n, row in enumerate(numbers)))
    catalog = client.app.state.services.search._catalog  # type: ignore[attr-defined]
    with catalog.opened(catalog.resolve(path.rpartition("/")[2])) as live:
        vectors = np.array(live.view.vectors[:CHUNKS])
        fake = FakeIndex(vectors)
        made = Made(IndexSpec(IndexKind.HNSW), 0)
        beyond = {1: 100.0}
        built = Built(layered(fake, vectors), made, curve([*SCANS, *GRAPH], CHUNKS, beyond))
        assert live.publish_index(live.view.state.library.index, built)
        yield path, live, fake
    client.delete(path)


def search(client: TestClient, path: str, **body: object) -> dict[str, object]:
    answer = client.post(f"{path}/search", json={"vector": [0, 0], "k": 10, **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


@pytest.mark.parametrize(
    ("wanted", "effort"), [(0.5, 20), (0.85, 40), (0.97, 160), (0.971, None), (1, None), (1.0, None), ("exact", None)]
)
def test_the_recall_asked_for_decides_the_plan(
    client: TestClient, planned: tuple[str, LiveLibrary, FakeIndex], wanted: float | str, effort: int | None
) -> None:
    path, _, fake = planned

    found = search(client, path, recall=wanted)

    assert found["exact"] is (effort is None)
    assert found["expected_recall"] == 1.0 if effort is None else float(wanted) <= found["expected_recall"] < 1.0  # type: ignore[operator]
    assert [route.effort for route in fake.asked] == ([] if effort is None else [effort])
    assert found["complete"] is True
    assert "explain" not in found


def test_without_a_recall_that_of_the_library_is_wanted(
    client: TestClient, planned: tuple[str, LiveLibrary, FakeIndex]
) -> None:
    path, _, _ = planned

    found = search(client, path)

    assert found["exact"] is False
    assert 0.9 <= found["expected_recall"] < 0.97  # type: ignore[operator]


def test_a_batch_may_ask_for_different_recalls(client: TestClient, planned: tuple[str, LiveLibrary, FakeIndex]) -> None:
    path, _, fake = planned
    asked = [0.5, "exact", 0.97, 0.5]
    queries = [{"vector": [number, 0], "recall": recall} for number, recall in enumerate(asked)]

    answers = client.post(f"{path}/search:batch", json={"queries": queries}).json()["answers"]

    assert [answer["exact"] for answer in answers] == [False, True, False, False]
    assert [answer["expected_recall"] for answer in answers] == [0.6, 1.0, 0.97, 0.6]
    assert sorted(route.effort for route in fake.asked) == [20, 160], "what asks for the same is answered together"


def test_explain_tells_the_plan_the_refused_ones_and_the_cost(
    client: TestClient, planned: tuple[str, LiveLibrary, FakeIndex]
) -> None:
    path, _, _ = planned

    explain = search(client, path, recall=0.97, explain=True)["explain"]

    assert isinstance(explain, dict)
    assert explain["plan"]["strategy"] == "graph"
    assert (explain["plan"]["effort"], explain["plan"]["expected_recall"]) == (160, 0.97)
    assert explain["plan"]["predicted_seconds"] > 0
    (refused,) = explain["refused"]
    assert refused["strategy"] == "exact_scan"
    assert refused["reason"].startswith("slower: 1.000 ms")
    assert explain["actual"].keys() == {"queries", "seconds", "scored", "verified", "rescanned"}
    assert (explain["actual"]["queries"], explain["actual"]["rescanned"]) == (1, 0)
    assert explain["selectivity"] == {"predicted": 1.0, "actual": 1.0}
    assert explain["stages"].keys() == {"plan", "index", "rows"}
    assert sum(explain["stages"].values()) == pytest.approx(explain["actual"]["seconds"])


def test_explain_says_what_the_graph_was_measured_to_reach(
    client: TestClient, planned: tuple[str, LiveLibrary, FakeIndex]
) -> None:
    path, _, _ = planned

    explain = search(client, path, recall=0.99, explain=True)["explain"]

    assert isinstance(explain, dict)
    assert explain["plan"]["strategy"] == "exact_scan"
    assert [one["reason"] for one in explain["refused"]] == [
        "0.99 was asked; 0.970 is the most it was measured to reach"
    ]


def test_a_query_unlike_the_library_is_answered_again(
    client: TestClient, planned: tuple[str, LiveLibrary, FakeIndex]
) -> None:
    path, _, fake = planned

    found = search(client, path, recall=0.5, vector=[1e6, 1e6], explain=True)

    assert (found["exact"], found["expected_recall"]) == (True, 1.0)
    assert found["explain"]["actual"]["rescanned"] == 1  # type: ignore[index]
    assert [route.effort for route in fake.asked] == [20]


def test_as_many_hits_as_match_come_back_whatever_the_graph_finds(
    client: TestClient, planned: tuple[str, LiveLibrary, FakeIndex]
) -> None:
    path, live, _ = planned
    view = live.view
    live._view = view.without(range(8, CHUNKS))

    found = search(client, path, recall=0.5, k=10)

    assert len(found["hits"]) == 8  # type: ignore[arg-type]


def test_live_recall_is_shown_to_prometheus_and_with_the_index(
    client: TestClient, planned: tuple[str, LiveLibrary, FakeIndex]
) -> None:
    path, live, _ = planned
    live.live_recall.start(1.0, lambda job: job())
    search(client, path, recall=0.97)
    name = client.get(path).json()["name"]

    figures = client.get("/metrics").text

    for gauge in ("recall", "recall_low", "recall_high"):
        assert f'pergamum_search_{gauge}{{library="{name}",wanted="0.97"}}' in figures
    (shown,) = client.get(f"{path}/index").json()["live_recall"]
    assert (shown["wanted"], shown["queries"]) == (0.97, 1)
    assert shown["low"] < shown["high"]

"""`auto` tries the kinds that are worth it, builds the best, and remembers why: in the background, across restarts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pergamum.domain.commands import DeleteChunk, UpdateLibrary
from pergamum.domain.library import IndexKind, IndexSpec
from pergamum.domain.operation import OperationStatus
from pergamum.engine.auto import Rule
from pergamum.storage.base import Storage
from pergamum.storage.memory.storage import MemoryStorage
from pergamum.storage.sqlite.storage import SqliteStorage
from tests.support.forge import Forge, install
from tests.support.library import NOW
from tests.support.node import PATIENCE, Node, flip, numbered, snapshot_folder

EXACT = IndexSpec(IndexKind.BRUTE_FORCE)


@pytest.fixture(autouse=True)
def forge(monkeypatch: pytest.MonkeyPatch) -> Forge:
    return install(monkeypatch)


@pytest.fixture(params=["sqlite", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    made: Storage = SqliteStorage(tmp_path) if request.param == "sqlite" else MemoryStorage()
    yield made
    made.close()


@pytest.fixture
def auto(storage: Storage, forge: Forge) -> Iterator[Node]:
    """A node whose libraries are worth an index from 20 chunks on, and may take 5,000 bytes for it."""
    made = Node(storage, Rule(floor=20, times=0.0, memory_bytes=5_000), forge.try_kinds)
    yield made
    forge.go.set()
    made.close()


def _revisited(node: Node) -> int | None:
    decision = node.builds.explain(node.opened.view)
    assert decision is not None
    return None if decision.compared is None else decision.compared.revisited_from


def test_auto_goes_to_an_index_and_back(auto: Node, forge: Forge) -> None:
    auto.write(numbered(0, 17))
    auto.idle()
    assert (auto.active, forge.trials) == ("brute_force", [])
    auto.write(numbered(17, 1))
    auto.idle()
    assert (auto.active, len(forge.trials), forge.built) == ("hnsw", 1, 1)
    auto.write(*(DeleteChunk(f"c{n}", NOW) for n in range(10)))
    auto.idle()
    assert auto.active == "hnsw"
    auto.write(DeleteChunk("c10", NOW))
    auto.idle()
    assert auto.active == "brute_force"
    auto.write(numbered(20, 30))
    auto.idle()
    assert (auto.active, len(forge.trials)) == ("hnsw", 1), "a library of much the same size is not tried again"


def test_auto_builds_what_the_trial_found_cheapest(auto: Node, forge: Forge) -> None:
    forge.costs[IndexKind.IVF] = 0.5

    auto.write(numbered(0, 30))
    auto.idle()

    assert (auto.active, forge.built) == ("ivf", 1)
    decision = auto.builds.explain(auto.opened.view)
    assert decision is not None
    assert decision.reason == "32 live chunks: ivf reaches recall 0.95 in 3 us a query by the trial, hnsw 6 us"


def test_auto_stays_with_exact_search_where_nothing_is_quicker(storage: Storage, forge: Forge) -> None:
    node = Node(storage, Rule(floor=20, times=3.0), forge.try_kinds)
    forge.costs = {IndexKind.HNSW: 900.0, IndexKind.IVF: 800.0}
    try:
        node.write(numbered(0, 30))
        node.idle()
        assert node.active == "brute_force"
    finally:
        node.close()


@pytest.mark.parametrize(("partitions", "best", "builds"), [(0.5, "ivf", 2), (2.0, "hnsw", 1)])
def test_a_library_that_has_grown_tenfold_is_tried_again(
    storage: Storage, forge: Forge, partitions: float, best: str, builds: int
) -> None:
    node = Node(storage, Rule(floor=20, times=0.0), forge.try_kinds)
    try:
        node.write(numbered(0, 18))
        node.idle()
        forge.costs[IndexKind.IVF] = partitions
        node.write(numbered(18, 179))
        node.idle()
        assert (node.active, len(forge.trials), _revisited(node)) == ("hnsw", 1, 200)
        node.write(numbered(197, 1))
        node.idle()
        assert (node.active, len(forge.trials), _revisited(node)) == (best, 2, 2_000)
        assert forge.built == builds, "the index that is there is not built again"
    finally:
        node.close()


def test_auto_obeys_the_memory_limit_as_the_library_grows(auto: Node, forge: Forge) -> None:
    auto.write(numbered(0, 48))
    auto.idle()
    assert auto.active == "hnsw"
    auto.write(numbered(48, 1))
    auto.idle()
    assert auto.active == "ivf", "a graph would take 5,100 bytes"
    auto.write(numbered(49, 50))
    auto.idle()
    assert (auto.active, len(forge.trials)) == ("brute_force", 1), "and partitions 5,050"


def test_another_recall_is_another_choice_by_the_same_trial(auto: Node, forge: Forge) -> None:
    auto.write(numbered(0, 30))
    auto.idle()
    assert auto.active == "hnsw"

    auto.write(UpdateLibrary({"recall": 0.995}, NOW))
    auto.idle()

    assert (auto.active, len(forge.trials)) == ("brute_force", 1), "nothing was found to reach that"


def test_an_operation_for_auto_waits_for_the_trial(auto: Node, forge: Forge) -> None:
    auto.ended(auto.ask(EXACT))
    auto.write(numbered(0, 30))
    forge.hold()

    operation = auto.ask(IndexSpec())
    assert forge.begun.wait(PATIENCE)
    running = auto.builds.current(operation)
    assert (running.status, auto.active) == (OperationStatus.RUNNING, "brute_force")
    assert 0 < running.progress < 0.3
    decision = auto.builds.explain(auto.opened.view)
    assert decision is not None
    assert (decision.spec, decision.undecided) == (EXACT, True)

    forge.go.set()
    ended = auto.ended(operation)
    assert ended.status is OperationStatus.SUCCEEDED
    assert ended.result == {"kind": "auto", "active": "hnsw", "position": 4}


def test_a_trial_is_cancelled_with_its_operation(auto: Node, forge: Forge) -> None:
    auto.ended(auto.ask(EXACT))
    auto.write(numbered(0, 30))
    forge.hold()
    operation = auto.ask(IndexSpec())
    assert forge.begun.wait(PATIENCE)

    cancelled, _ = auto.builds.cancel(operation, lambda: auto.revert(operation))
    auto.idle()

    assert (cancelled.status, auto.active, forge.trials) == (OperationStatus.CANCELLED, "brute_force", [])


def test_a_trial_that_fails_leaves_exact_search_and_is_not_repeated_at_once(auto: Node, forge: Forge) -> None:
    forge.fail = MemoryError()
    auto.write(numbered(0, 30))
    auto.idle()
    forge.fail = None

    auto.write(numbered(30, 1))
    auto.idle()

    assert (auto.active, forge.trials) == ("brute_force", [])
    assert len(auto.found(1, 0)) == 10


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
@pytest.mark.parametrize("costs", [(1.0, 2.0), (2.0, 1.0)])
def test_a_restart_needs_no_trial_again(auto: Node, forge: Forge, costs: tuple[float, float]) -> None:
    forge.costs = dict(zip((IndexKind.HNSW, IndexKind.IVF), costs, strict=True))
    auto.write(numbered(0, 30))
    auto.idle()
    before, active = auto.builds.explain(auto.opened.view), auto.active

    auto.reopen()

    after = auto.builds.explain(auto.opened.view)
    assert (auto.active, len(forge.trials), forge.built) == (active, 1, 1)
    assert before is not None
    assert after is not None
    assert before.compared is not None
    assert after.compared is not None
    assert after.compared.trial is not before.compared.trial
    assert after.reason == before.reason
    assert after.compared.candidates == before.compared.candidates


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
def test_a_trial_that_chose_exact_search_is_kept_too(auto: Node, forge: Forge) -> None:
    auto.write(UpdateLibrary({"recall": 0.999}, NOW), numbered(0, 30))
    auto.idle()
    assert (auto.active, len(forge.trials)) == ("brute_force", 1)

    auto.reopen()

    assert (auto.active, len(forge.trials)) == ("brute_force", 1)


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
def test_a_damaged_trial_is_made_again_and_the_index_is_not(auto: Node, forge: Forge) -> None:
    auto.write(numbered(0, 30))
    auto.idle()
    flip(snapshot_folder(auto) / "trial.json")

    auto.begin()
    assert auto.active == "hnsw"
    auto.idle()

    assert (auto.active, len(forge.trials), forge.built) == ("hnsw", 2, 1)

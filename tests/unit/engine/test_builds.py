"""Libraries are led towards the index they ask for: one job at a time, whatever goes on beside it."""

import weakref
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest

from pergamum.domain.commands import DeleteChunk
from pergamum.domain.library import IndexKind, IndexSpec
from pergamum.domain.operation import Operation, OperationStatus
from pergamum.engine import builds, needs
from pergamum.errors import OperationEnded, StorageFull
from pergamum.storage.base import Storage
from pergamum.storage.memory.storage import MemoryStorage
from pergamum.storage.sqlite.storage import SqliteStorage
from tests.support.forge import FakeIndex, Forge, install
from tests.support.library import NOW, a_chunk, put_chunks, vector
from tests.support.node import PATIENCE, Node, flip, numbered, snapshot_folder

LSH, TREE, EXACT = IndexSpec(IndexKind.LSH), IndexSpec(IndexKind.KD_TREE), IndexSpec(IndexKind.BRUTE_FORCE)


@pytest.fixture(autouse=True)
def forge(monkeypatch: pytest.MonkeyPatch) -> Forge:
    return install(monkeypatch)


@pytest.fixture(params=["sqlite", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    made: Storage = SqliteStorage(tmp_path) if request.param == "sqlite" else MemoryStorage()
    yield made
    made.close()


@pytest.fixture
def node(storage: Storage, forge: Forge) -> Iterator[Node]:
    made = Node(storage)
    yield made
    forge.go.set()
    made.close()


def test_the_index_asked_for_is_built_and_the_operation_says_so(node: Node) -> None:
    operation = node.ask(LSH)

    ended = node.ended(operation)
    assert (ended.status, ended.progress) == (OperationStatus.SUCCEEDED, 1.0)
    assert ended.result == {"kind": "lsh", "active": "lsh", "position": 2}
    assert node.active == "lsh"
    assert node.found(1, 0) == ["a", "b"]
    assert node.storage.catalog.operation(operation.id) == ended
    assert node.storage.catalog.unfinished_operations() == []


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
def test_what_a_build_took_is_given_back_once_its_index_is_saved(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[Path] = []
    monkeypatch.setattr(builds, "give_back", lambda: saved.extend(tmp_path.rglob("manifest.json")))

    node.ended(node.ask(LSH))

    assert len(saved) == 1


def test_what_is_there_already_needs_no_job(node: Node, forge: Forge) -> None:
    operation = node.ask(EXACT)

    assert operation.status is OperationStatus.SUCCEEDED
    assert forge.built == 0


def test_searches_and_writes_go_on_during_a_build_and_are_part_of_it(node: Node, forge: Forge) -> None:
    forge.hold()
    operation = node.ask(LSH)
    assert forge.begun.wait(PATIENCE)

    node.write(put_chunks([a_chunk("late", "d", vector(1, 1))]), DeleteChunk("a", NOW))
    during = node.builds.current(operation)
    assert (during.status, node.active) == (OperationStatus.RUNNING, "brute_force")
    assert 0 < during.progress < 1
    assert node.found(1, 0) == ["late", "b"]

    forge.go.set()
    node.ended(operation)
    assert node.active == "lsh"
    assert node.found(1, 0) == ["late", "b"]
    status = node.opened.status()
    assert (status.slots, status.dead_slots, status.tail) == (3, 1, 1)


def test_other_parameters_are_another_index(node: Node, forge: Forge) -> None:
    node.ended(node.ask(LSH))

    node.ended(node.ask(IndexSpec(IndexKind.LSH, {"tables": 3})))

    assert forge.built == 2
    assert node.opened.view.active.params == {"tables": 3}


def test_exact_search_is_gone_back_to(node: Node) -> None:
    node.ended(node.ask(LSH))

    ended = node.ended(node.ask(EXACT))

    assert ended.status is OperationStatus.SUCCEEDED
    view = node.opened.view
    assert (view.made, view.curve, node.active) == (None, None, "brute_force")


def test_a_cancelled_operation_leaves_the_wish_before(node: Node, forge: Forge) -> None:
    forge.hold()
    operation = node.ask(LSH)
    assert forge.begun.wait(PATIENCE)

    cancelled, position = node.builds.cancel(operation, lambda: node.revert(operation))
    node.idle()

    assert (cancelled.status, position) == (OperationStatus.CANCELLED, 3)
    assert node.opened.view.state.library.index == IndexSpec()
    assert (node.active, forge.built) == ("brute_force", 0)
    with pytest.raises(OperationEnded):
        node.builds.cancel(operation, lambda: 0)


def test_a_cancellation_that_cannot_be_kept_cancels_nothing(node: Node, forge: Forge) -> None:
    forge.hold()
    operation = node.ask(LSH)
    assert forge.begun.wait(PATIENCE)

    def full() -> int:
        raise StorageFull

    with pytest.raises(StorageFull):
        node.builds.cancel(operation, full)
    forge.go.set()

    assert node.ended(operation).status is OperationStatus.SUCCEEDED


def test_a_later_wish_ends_an_earlier_one(node: Node, forge: Forge) -> None:
    forge.hold()
    first = node.ask(LSH)
    assert forge.begun.wait(PATIENCE)

    second = node.ask(TREE)
    forge.go.set()

    assert node.ended(second).status is OperationStatus.SUCCEEDED
    assert node.ended(first).status is OperationStatus.CANCELLED
    assert node.active == "kd_tree"


def test_a_failed_build_leaves_the_old_index_and_is_not_tried_again_at_once(node: Node, forge: Forge) -> None:
    node.ended(node.ask(LSH))
    forge.fail = MemoryError()

    ended = node.ended(node.ask(TREE))
    for n in range(5):
        node.write(numbered(n, 1))
    node.idle()

    assert ended.status is OperationStatus.FAILED
    assert ended.error == {
        "type": "/problems/build-failed",
        "title": "The index could not be built.",
        "detail": "MemoryError",
    }
    assert (node.active, forge.built) == ("lsh", 1)
    assert len(node.found(1, 0)) == 7
    forge.fail = None
    assert node.ended(node.ask(IndexSpec(IndexKind.KD_TREE, {"leaf_size": 8}))).status is OperationStatus.SUCCEEDED


def test_a_restart_takes_up_what_was_cut_short(node: Node, forge: Forge) -> None:
    forge.hold()
    operation = node.ask(LSH)
    assert forge.begun.wait(PATIENCE)
    node.close()
    (unfinished,) = node.storage.catalog.unfinished_operations()
    assert unfinished.status is OperationStatus.RUNNING

    forge.go.set()
    node.restart()

    assert node.ended(operation).status is OperationStatus.SUCCEEDED
    assert node.active == "lsh"


def test_deleting_a_library_stops_its_build(node: Node, forge: Forge) -> None:
    forge.hold()
    operation = node.ask(LSH)
    assert forge.begun.wait(PATIENCE)

    node.catalog.delete(node.library.id)

    ended = node.ended(operation)
    assert (ended.status, ended.error and ended.error["type"]) == (
        OperationStatus.CANCELLED,
        "/problems/library-not-found",
    )


def test_a_long_tail_is_grown_into_the_index(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "TAIL_SLOTS", 10)
    node.ended(node.ask(LSH))

    node.write(numbered(0, 9))
    node.idle()
    assert node.opened.status().tail == 9
    node.write(numbered(9, 9))
    node.idle()

    assert node.opened.status().tail == 0
    assert _built(node).made == 2


def test_many_dead_slots_mend_the_index(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "DEAD_SLOTS", 2)
    node.write(numbered(0, 18))
    node.ended(node.ask(LSH))

    node.write(*(DeleteChunk(f"c{n}", NOW) for n in range(4)))
    node.idle()
    assert _built(node).made == 1, "four of twenty are a fifth, not more"
    node.write(DeleteChunk("c4", NOW))
    node.idle()

    assert _built(node).made == 2
    node.write(DeleteChunk("c5", NOW))
    node.idle()
    assert _built(node).made == 2, "those that were dead when it was made count no more"


def test_chunks_that_die_in_the_tail_mend_nothing(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "DEAD_SLOTS", 2)
    node.write(numbered(0, 18))
    node.ended(node.ask(LSH))

    for n in range(10):
        node.write(put_chunks([a_chunk("restless", "d", vector(n, 2))]))
    node.idle()

    assert _built(node).made == 1


def _built(node: Node) -> FakeIndex:
    index = node.opened.view.index
    assert index is not None
    assert isinstance(index.built, FakeIndex)
    return index.built


def test_nothing_is_built_over_no_chunk(node: Node, forge: Forge) -> None:
    node.ended(node.ask(LSH))

    node.write(DeleteChunk("a", NOW), DeleteChunk("b", NOW))
    node.idle()

    assert (node.active, forge.built) == ("brute_force", 1)


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
def test_a_restart_needs_no_build_again(node: Node, forge: Forge) -> None:
    node.ended(node.ask(LSH))
    curve = node.opened.view.curve

    node.reopen()

    assert (node.active, forge.built) == ("lsh", 1)
    assert node.opened.view.curve == curve
    assert node.opened.view.curve is not curve


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
@pytest.mark.parametrize("part", ["fake.index", "curve.json", "brute-force.index", "manifest.json"])
def test_a_damaged_part_is_made_again_while_exact_search_answers(node: Node, forge: Forge, part: str) -> None:
    node.ended(node.ask(LSH))
    expected = node.found(1, 0)
    node.close()
    folder = snapshot_folder(node)
    flip(folder / part)

    forge.hold()
    node.begin()
    assert node.found(1, 0) == expected
    forge.go.set()
    node.idle()

    assert (node.active, node.found(1, 0)) == ("lsh", expected)
    assert forge.built == (2 if part in {"fake.index", "manifest.json"} else 1)
    assert node.opened.view.curve is not None
    node.reopen()
    assert forge.built == (2 if part in {"fake.index", "manifest.json"} else 1), "what was made again was saved"


def test_unknown_operations_of_other_kinds_are_left_alone(node: Node) -> None:
    at = datetime.now(UTC)
    other = Operation(id=uuid4(), kind="import", library_id=UUID(int=1), created_at=at, updated_at=at)
    node.catalog.save_operation(other)

    node.reopen()

    assert node.storage.catalog.operation(other.id) == other


def test_vectors_are_the_same_after_a_change_of_kind(node: Node) -> None:
    node.write(numbered(0, 40))
    queries = np.random.default_rng(1).random((5, 2), np.float32)
    before = [node.found(*query) for query in queries.tolist()]

    for spec in (LSH, TREE, EXACT, TREE):
        node.ended(node.ask(spec))
        assert [node.found(*query) for query in queries.tolist()] == before


def test_recall_that_drifts_is_measured_again(node: Node, forge: Forge) -> None:
    node.ended(node.ask(LSH))
    library = node.opened
    curve = library.view.curve

    node.builds._measure_again(node.library.id)
    node.idle()

    assert library.view.curve is not curve
    assert forge.built == 1


def test_a_closed_library_is_held_by_nobody(node: Node) -> None:
    library = weakref.ref(node.opened)

    node.close()

    assert library() is None, "its maps would stay open until a collection of cycles"

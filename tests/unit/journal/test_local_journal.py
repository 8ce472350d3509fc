"""The order of writes on one node: groups share flushes, and nobody waits for another's failure."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from uuid import UUID, uuid4

import pytest

from pergamum.domain.commands import Command, DeleteDocument, DeleteWhere, Outcome, PutDocuments, WriteMode
from pergamum.domain.fields import Level
from pergamum.domain.filters import And
from pergamum.domain.replies import Keep
from pergamum.engine.catalog import Catalog
from pergamum.engine.live_library import LiveLibrary
from pergamum.errors import DocumentExists, LibraryNotFound, Overloaded, PergamumError, ShuttingDown, StorageFull
from pergamum.journal.local import Limits, LocalJournal
from pergamum.storage.sqlite.storage import SqliteStorage
from tests.support.library import NOW, a_chunk, a_library, put, vector

WRITERS, EACH = 32, 8


@dataclass
class Node:
    """A journal over a catalogue with one library, counting flushes."""

    folder: Path
    limits: Limits = field(default_factory=lambda: Limits(writers=2, waiting=1_000, group=100))
    flushes: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.catalog = Catalog(SqliteStorage(self.folder), 4, self.flushes.append)
        self.looked_after: list[LiveLibrary] = []
        self.journal = LocalJournal(self.catalog, self.looked_after.append, self.limits)
        self.library = a_library()
        self.catalog.create(self.library)

    def submit(self, command: Command) -> Outcome:
        return self.journal.submit(self.library.id, command)

    def documents(self) -> int:
        with self.catalog.opened(self.library.id) as opened:
            return opened.view.state.documents

    def close(self) -> None:
        self.journal.close()
        self.catalog.close()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path)
    yield made
    made.close()


Result = TypeVar("Result")


def _in_threads(count: int, work: Callable[[int], Result]) -> list[Result]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))


def _wait_until_waiting(node: Node, count: int) -> None:
    """Wait until `count` writes wait behind the group that is held."""
    while node.journal._waiting < count:
        threading.Event().wait(0.001)


def test_writers_share_flushes(node: Node) -> None:
    def write(writer: int) -> list[int]:
        return [
            node.submit(put(f"{writer}/{n}", [a_chunk(f"{writer}/{n}", f"{writer}/{n}", vector(1, n))])).position
            for n in range(EACH)
        ]

    positions = _in_threads(WRITERS, write)

    flat = [position for each in positions for position in each]
    assert sorted(flat) == list(range(1, WRITERS * EACH + 1))
    assert all(each == sorted(each) for each in positions)
    assert len(node.flushes) < WRITERS * EACH / 2
    assert node.documents() == WRITERS * EACH


def test_a_library_is_looked_after_once_it_was_written(node: Node) -> None:
    node.submit(put("d"))
    node.journal.close()

    assert [library.view.state.position for library in node.looked_after] == [1]


def test_a_refusal_is_raised_to_its_writer_alone(node: Node) -> None:
    node.submit(put("d"))

    def write(writer: int) -> str:
        try:
            node.submit(put("d" if writer % 2 else f"new {writer}", mode=WriteMode.CREATE))
        except DocumentExists:
            return "refused"
        return "kept"

    assert _in_threads(8, write) == ["kept", "refused"] * 4
    assert node.documents() == 5


def test_an_unknown_library_is_refused(node: Node) -> None:
    with pytest.raises(LibraryNotFound):
        node.journal.submit(uuid4(), put("d"))


def test_too_many_waiting_writes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(tmp_path, Limits(writers=1, waiting=3, group=100))
    go = threading.Event()
    monkeypatch.setattr(node.journal, "_settle", _held_back(node.journal._settle, go))
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(node.submit, put("first"))
        while node.journal._waiting:
            threading.Event().wait(0.001)
        waiting = [pool.submit(node.submit, put(f"d{n}")) for n in range(3)]
        _wait_until_waiting(node, 3)
        with pytest.raises(Overloaded):
            node.submit(put("one more"))
        go.set()
        outcomes = [each.result().position for each in (first, *waiting)]

    assert sorted(outcomes) == [1, 2, 3, 4]
    node.close()


def _held_back(settle: Callable[..., None], go: threading.Event) -> Callable[..., None]:
    def held(*arguments: object) -> None:
        go.wait()
        settle(*arguments)

    return held


def test_closing_settles_what_waits_and_refuses_the_rest(node: Node) -> None:
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(node.submit, put(f"d{n}")) for n in range(8)]
        positions = [future.result().position for future in futures]
    node.journal.close()

    assert sorted(positions) == list(range(1, 9))
    with pytest.raises(ShuttingDown):
        node.submit(put("late"))


def _fill_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let writes with chunks fail, and deletions until the reserve is released."""
    released: list[bool] = []
    write = LiveLibrary.write

    def write_or_fail(library: LiveLibrary, commands: Sequence[Command], keeps: Sequence[Keep | None]) -> list[Outcome]:
        if not released and any(map(_needs_space, commands)):
            raise StorageFull
        return write(library, commands, keeps)

    monkeypatch.setattr(LiveLibrary, "write", write_or_fail)
    monkeypatch.setattr(SqliteStorage, "release_reserve", lambda _: released.append(True))
    monkeypatch.setattr(SqliteStorage, "restore_reserve", lambda _: released.clear())


def _needs_space(command: Command) -> bool:
    return isinstance(command, DeleteDocument | DeleteWhere) or (
        isinstance(command, PutDocuments) and any(new.chunks for new in command.documents)
    )


def test_on_a_full_disk_small_writes_and_deletions_go_on(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.submit(put("old"))
    _fill_disk(monkeypatch)
    commands: list[Command] = [
        put("small"),
        put("large", [a_chunk("c", "large", vector(1, 1))]),
        DeleteDocument("old", NOW),
    ]

    def write(number: int) -> str:
        try:
            node.submit(commands[number])
        except PergamumError as error:
            return type(error).__name__
        return "kept"

    assert _in_threads(3, write) == ["kept", "StorageFull", "kept"]
    assert node.documents() == 1


def test_an_unforeseen_error_reaches_everybody_and_the_library_recovers(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("pergamum.engine.live_library.StateMachine", _broken)
        with pytest.raises(ZeroDivisionError):
            node.submit(put("d1"))

    node.submit(put("d2"))

    assert node.documents() == 1


def _broken(*_arguments: object) -> None:
    raise ZeroDivisionError


def test_libraries_do_not_wait_for_each_other(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    other = a_library("other")
    node.catalog.create(other)
    go = threading.Event()
    settle = node.journal._settle

    def held_for_one(library_id: UUID, group: object) -> None:
        if library_id == node.library.id:
            go.wait()
        settle(library_id, group)  # type: ignore[arg-type]

    monkeypatch.setattr(node.journal, "_settle", held_for_one)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(node.submit, put("slow"))
        quick = node.journal.submit(other.id, put("quick"))
        assert not slow.done()
        go.set()

    assert quick.position == slow.result().position == 1


def test_a_busy_library_does_not_keep_others_from_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(tmp_path, Limits(writers=1, waiting=100, group=1))
    other = a_library("other")
    node.catalog.create(other)
    go, order = threading.Event(), list[UUID]()
    settle = node.journal._settle

    def noted(library_id: UUID, group: object) -> None:
        go.wait()
        order.append(library_id)
        settle(library_id, group)  # type: ignore[arg-type]

    monkeypatch.setattr(node.journal, "_settle", noted)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(node.submit, put("first"))
        while not node.journal._queues or node.journal._waiting:
            threading.Event().wait(0.001)
        busy = [pool.submit(node.submit, put(f"d{n}")) for n in range(2)]
        _wait_until_waiting(node, 2)
        quick = pool.submit(node.journal.submit, other.id, put("quick"))
        _wait_until_waiting(node, 3)
        go.set()
        positions = [each.result().position for each in (first, *busy, quick)]

    assert order == [node.library.id, other.id, node.library.id, node.library.id]
    assert sorted(positions) == [1, 1, 2, 3]
    node.close()


def test_a_command_by_filter_sees_what_came_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(tmp_path)
    groups: list[list[str]] = []
    write = LiveLibrary.write

    def noted(library: LiveLibrary, commands: Sequence[Command], keeps: Sequence[Keep | None]) -> list[Outcome]:
        groups.append([type(command).__name__ for command in commands])
        return write(library, commands, keeps)

    monkeypatch.setattr(LiveLibrary, "write", noted)
    go = threading.Event()
    monkeypatch.setattr(node.journal, "_settle", _held_back(node.journal._settle, go))
    everything = DeleteWhere(Level.DOCUMENT, And(()), NOW)
    with ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(node.submit, put("first"))]
        while not node.journal._queues or node.journal._waiting:
            threading.Event().wait(0.001)
        commands: list[Command] = [put("a"), put("b"), everything, put("c"), everything]
        for count, command in enumerate(commands, 1):
            waiting.append(pool.submit(node.submit, command))
            _wait_until_waiting(node, count)
        go.set()
        matched = [each.result().matched for each in waiting]

    assert groups == [
        ["PutDocuments"],
        ["PutDocuments", "PutDocuments"],
        ["DeleteWhere"],
        ["PutDocuments"],
        ["DeleteWhere"],
    ]
    assert matched == [0, 0, 0, 3, 0, 1]
    node.close()


def test_a_deletion_by_filter_gets_the_reserve(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.submit(put("old"))
    _fill_disk(monkeypatch)

    assert node.submit(DeleteWhere(Level.DOCUMENT, And(()), NOW)).matched == 1
    with pytest.raises(StorageFull):
        node.submit(put("large", [a_chunk("c", "large", vector(1, 1))]))

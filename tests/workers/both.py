"""A library open for writing and, beside that, for reading, both inside the test's process."""

from collections.abc import Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pergamum.domain.commands import Command
from pergamum.domain.library import Library
from pergamum.engine.live_library import LiveLibrary
from pergamum.engine.reader_library import ReaderLibrary
from pergamum.storage.sqlite.read_only import ReadOnlyStorage
from pergamum.storage.sqlite.storage import SqliteStorage
from tests.support.library import NOW, a_chunk, a_library, put, vector


@dataclass
class Later(Executor):
    """Background work that is done when the test says so."""

    waiting: list[Any] = field(default_factory=list)

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401 - as executors have it
        self.waiting.append(lambda: fn(*args, **kwargs))
        return Future()

    def work(self) -> int:
        """Do what waits; return how much there was."""
        done = 0
        while self.waiting:
            self.waiting.pop(0)()
            done += 1
        return done


@dataclass
class Both:
    """A library open for writing, the same open for reading, and what the reader does in the background."""

    data: Path
    storage: SqliteStorage
    settings: Library
    writer: LiveLibrary
    reader: ReaderLibrary
    later: Later

    def write(self, *commands: Command) -> None:
        for outcome in self.writer.write(list(commands)):
            assert outcome.refusal is None

    def found(self, *numbers: float, k: int = 3) -> list[str]:
        self.reader.refresh()
        (answer,) = self.reader.search(vector(*numbers)[np.newaxis], k, "exact")
        assert answer.position == self.writer.view.state.position
        return [hit.chunk.id for hit in answer.hits]


def ignore(_seconds: float) -> None:
    """Nobody looks at flush times here."""


@contextmanager
def both_on(data: Path) -> Iterator[Both]:
    """Both on a new data folder, with the chunks `a` at (1, 0) and `b` at (2, 0)."""
    storage = SqliteStorage(data)
    settings = a_library()
    storage.create(settings)
    storage.catalog.add(settings.id, settings.name, NOW)
    writer = LiveLibrary(storage.open(settings.id), ignore)
    writer.write([put("d", [a_chunk("a", "d", vector(1, 0)), a_chunk("b", "d", vector(2, 0))])])
    later, beside = Later(), ReadOnlyStorage(data, 1)
    reader = ReaderLibrary(beside.open(settings.id), later)
    made = Both(data, storage, settings, writer, reader, later)
    yield made
    reader.close()
    beside.close()
    made.writer.close()
    storage.close()

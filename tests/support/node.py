"""A catalogue with builds over it, and one library: what a server is below its services, without a journal."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from pergamum.domain.commands import Command, UpdateLibrary
from pergamum.domain.library import IndexSpec
from pergamum.domain.operation import Operation
from pergamum.engine.auto import Rule
from pergamum.engine.builds import Builds, Options
from pergamum.engine.catalog import Catalog
from pergamum.engine.live_library import LiveLibrary
from pergamum.engine.trying import Tries, tried
from pergamum.engine.wishes import KIND, asked_before, request_of
from pergamum.storage.base import Storage
from tests.support.library import NOW, a_chunk, a_library, put, put_chunks, vector

PATIENCE = 20.0


class Node:
    """A catalogue with builds over it, and one library of two chunks."""

    def __init__(self, storage: Storage, rule: Rule | None = None, tries: Tries = tried) -> None:
        self.storage, self.rule, self.tries = storage, rule or Rule(), tries
        self.library = a_library()
        self.begin()
        self.catalog.create(self.library)
        self.write(put("d", [a_chunk("a", "d", vector(1, 0)), a_chunk("b", "d", vector(0, 1))]))

    def begin(self) -> None:
        self.catalog = Catalog(self.storage, 4, lambda _: None)
        self.pool = ThreadPoolExecutor(2)
        self.builds = Builds(self.catalog, self.pool, Options(1, self.rule, tries=self.tries))

    def close(self) -> None:
        self.builds.close()
        self.pool.shutdown(wait=True, cancel_futures=True)
        for library_id in list(self.catalog._entries):
            self.catalog._close_when_idle(library_id)

    def restart(self) -> None:
        self.close()
        self.begin()
        self.builds.resume()

    def reopen(self) -> None:
        """Restart, and wait until whatever the opened library needs is done."""
        self.restart()
        with self.catalog.opened(self.library.id):
            self.idle()

    def write(self, *commands: Command) -> None:
        with self.catalog.opened(self.library.id) as library:
            library.write(commands)
            self.builds.look_after(library)

    def ask(self, spec: IndexSpec) -> Operation:
        with self.catalog.opened(self.library.id) as library:
            before = library.view.state.library.index
            (outcome,) = library.write([UpdateLibrary({"index": spec}, NOW)])
        request = request_of(spec, before, outcome.position)
        at = datetime.now(UTC)
        return self.builds.follow(
            Operation(id=uuid4(), kind=KIND, library_id=self.library.id, request=request, created_at=at, updated_at=at)
        )

    def revert(self, operation: Operation) -> int:
        with self.catalog.opened(self.library.id) as library:
            return library.write([UpdateLibrary({"index": asked_before(operation)}, NOW)])[0].position

    def ended(self, operation: Operation) -> Operation:
        self.idle()
        now = self.builds.current(operation)
        assert now.ended, now
        return now

    def idle(self) -> None:
        """Wait until no job is left."""
        waiting = threading.Event()
        for _ in range(int(PATIENCE / 0.002)):
            if not self.builds._tasks:
                return
            waiting.wait(0.002)
        raise AssertionError("a job goes on and on")

    @property
    def opened(self) -> LiveLibrary:
        with self.catalog.opened(self.library.id) as library:
            return library

    @property
    def active(self) -> str:
        return self.opened.view.active.kind

    def found(self, *query: float, k: int = 10) -> list[str]:
        with self.catalog.opened(self.library.id) as library:
            (answer,) = library.search(vector(*query)[None, :], k)
        return [hit.chunk.id for hit in answer.hits]


def numbered(first: int, count: int) -> Command:
    """Put chunks c<first>, c<first + 1>, ... whose vectors differ."""
    return put_chunks([a_chunk(f"c{n}", "d", vector(n, 1)) for n in range(first, first + count)])


def snapshot_folder(node: Node) -> Path:
    """Close the node and return where its library's index snapshot lies."""
    with node.catalog.opened(node.library.id) as library:
        index = library._store.index_folder
    node.close()
    assert index is not None
    (folder,) = index.iterdir()
    return folder


def flip(path: Path) -> None:
    """Change one bit in the middle of the file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

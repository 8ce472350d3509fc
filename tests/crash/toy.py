"""A small database with the engine's order of writes, so that the crash tests can be tested: faultless, and with flaws.

One folder a library (library.db through apsw in WAL mode, vectors.f32 beside it) and a catalogue that names them.
Write order: pwrite vectors, fdatasync, COMMIT. After a failed sync a library refuses writes until it is opened again.
"""

import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import Flag, auto
from pathlib import Path

import apsw
import numpy as np

from tests.crash.workload import (
    DIMENSION,
    ChangeLibrary,
    Chunk,
    Command,
    CreateLibrary,
    DeleteChunk,
    DeleteDocument,
    DeleteLibrary,
    Document,
    Library,
    PatchDocument,
    PutChunks,
    PutDocuments,
    Refused,
    State,
    Unknown,
    Vector,
)

WIDTH = 4 * DIMENSION
SCHEMA = """
CREATE TABLE IF NOT EXISTS documents(id TEXT PRIMARY KEY, title TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS chunks(slot INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, document TEXT NOT NULL,
                                  text TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS counters(next_slot INTEGER NOT NULL) STRICT;
"""
CATALOGUE = "CREATE TABLE IF NOT EXISTS libraries(id TEXT PRIMARY KEY, name TEXT UNIQUE, description TEXT) STRICT"


class Flaw(Flag):
    """What the toy can do wrong."""

    NONE = 0
    LATE_VECTORS = auto()  # commit before the vectors are flushed
    TWO_COMMITS = auto()  # a batch of documents is a transaction each
    BELIEVES = auto()  # takes what it reads after a failed sync for durable


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rewrite(path: Path) -> None:
    """Write a file's bytes again, in place, and flush them.

    After a failed sync the page cache may hold what the disk has not, in pages taken for clean: a later sync succeeds
    without writing them. Whoever believes what is read after that must write it first.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(descriptor, os.pread(descriptor, os.fstat(descriptor).st_size, 0), 0)
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def connect(path: Path, flaws: Flaw) -> apsw.Connection:
    if not flaws & Flaw.BELIEVES:
        for written in path, path.with_name(f"{path.name}-wal"):
            if written.exists():
                rewrite(written)
    connection = apsw.Connection(str(path))
    if connection.execute("PRAGMA journal_mode=WAL").get != "wal":  # it says so, it does not raise
        connection.close()
        raise apsw.IOError(f"{path} cannot be switched to WAL mode")
    connection.execute("PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; SELECT count(*) FROM sqlite_schema")
    sync_folder(path.parent)  # the log exists now: SQLite would sync its name too, but does not look at the outcome
    return connection


class _Shelf:
    """One library's files."""

    def __init__(self, folder: Path, flaws: Flaw) -> None:
        self.folder, self._flaws, self.broken, self._commits = folder, flaws, False, 0
        self.rows = connect(folder / "library.db", flaws)
        self._vectors = os.open(folder / "vectors.f32", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def create(self) -> None:
        self.rows.execute(SCHEMA)
        self.rows.execute("INSERT INTO counters VALUES (0)")
        os.posix_fallocate(self._vectors, 0, 4096)
        os.fsync(self._vectors)
        sync_folder(self.folder)

    def close(self) -> None:
        os.close(self._vectors)
        self.rows.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        if self.broken:
            raise Refused("read-only")
        try:
            self.rows.execute("BEGIN IMMEDIATE")
            yield
            if self._flaws & Flaw.LATE_VECTORS:
                self._commit()
            self._flush()
            if not self._flaws & Flaw.LATE_VECTORS:
                self._commit()
        except (OSError, apsw.Error, Refused) as error:
            if self.rows.in_transaction:
                with suppress(apsw.Error):
                    self.rows.execute("ROLLBACK")
            raise Refused(str(error)) from error
        self._checkpoint()

    def _flush(self) -> None:
        try:
            os.fdatasync(self._vectors)
        except OSError:
            self.broken = True
            raise

    def _commit(self) -> None:
        try:
            self.rows.execute("COMMIT")
        except apsw.FullError:
            raise
        except apsw.Error as error:
            self.broken = True
            if self.rows.in_transaction:
                with suppress(apsw.Error):
                    self.rows.execute("ROLLBACK")
            raise Unknown(str(error)) from error

    def _checkpoint(self) -> None:
        self._commits += 1
        if self._commits % 8 == 0:
            with suppress(apsw.Error):
                self.rows.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def add(self, document: str, chunks: Mapping[str, Chunk]) -> None:
        slot = self.next_slot()
        data = np.array([chunk.vector for chunk in chunks.values()], np.float32).tobytes()
        self._write(data, slot * WIDTH)
        for at, (id, chunk) in enumerate(chunks.items()):
            self.rows.execute("DELETE FROM chunks WHERE id = ?", (id,))
            self.rows.execute("INSERT INTO chunks VALUES (?, ?, ?, ?)", (slot + at, id, document, chunk.text))
        self.rows.execute("UPDATE counters SET next_slot = ?", (slot + len(chunks),))

    def next_slot(self) -> int:
        return int(self.rows.execute("SELECT next_slot FROM counters").get)

    def _write(self, data: bytes, offset: int) -> None:
        size = os.fstat(self._vectors).st_size
        if offset + len(data) > size:
            os.posix_fallocate(self._vectors, size, max(size, offset + len(data) - size))
        while data:
            done = os.pwrite(self._vectors, data, offset)
            data, offset = data[done:], offset + done

    def vectors(self) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        data = os.pread(self._vectors, self.next_slot() * WIDTH, 0)
        return np.frombuffer(data, np.float32).reshape(-1, DIMENSION)

    def dump(self, description: str) -> Library:
        vectors = self.vectors()
        documents: dict[str, dict[str, Chunk]] = {}
        for slot, id, document, text in self.rows.execute("SELECT slot, id, document, text FROM chunks"):
            chunk = Chunk(str(text), tuple(vectors[int(str(slot))].tolist()))
            documents.setdefault(str(document), {})[str(id)] = chunk
        titles = self.rows.execute("SELECT id, title FROM documents").fetchall()
        return Library(description, {str(id): Document(str(title), documents.pop(str(id), {})) for id, title in titles})


class Toy:
    """The small database. `do` is one transaction of one library, or of the catalogue."""

    def __init__(self, folder: Path, flaws: Flaw = Flaw.NONE) -> None:
        self._folder, self._flaws, self._broken = folder, flaws, False
        (folder / "libraries").mkdir(exist_ok=True)
        self._catalogue = connect(folder / "catalog.db", flaws)
        self._catalogue.execute(CATALOGUE)
        sync_folder(folder)
        self._shelves: dict[str, _Shelf] = {}
        for (id,) in self._catalogue.execute("SELECT id FROM libraries"):
            self._shelves[str(id)] = _Shelf(folder / "libraries" / str(id), flaws)

    def close(self) -> None:
        for shelf in self._shelves.values():
            shelf.close()
        self._catalogue.close()

    def do(self, command: Command) -> None:
        try:
            self._do(command)
        except OSError as error:
            raise Refused(str(error)) from error

    def _do(self, command: Command) -> None:
        match command:
            case CreateLibrary():
                self._create(command)
            case ChangeLibrary(name, new_name, description):
                self._catalogued("UPDATE libraries SET name=?, description=? WHERE name=?", new_name, description, name)
            case DeleteLibrary(name):
                id = self._id(name)
                self._catalogued("DELETE FROM libraries WHERE id = ?", id)
                self._shelves.pop(id).close()
                shutil.rmtree(self._folder / "libraries" / id, ignore_errors=True)
            case PutDocuments(library, documents) if self._flaws & Flaw.TWO_COMMITS:
                for document_id, document in documents.items():
                    self._put(library, {document_id: document})
            case PutDocuments(library, documents):
                self._put(library, documents)
            case _:
                self._on_rows(self._shelf(command.library), command)

    def _on_rows(self, shelf: _Shelf, command: PatchDocument | DeleteDocument | PutChunks | DeleteChunk) -> None:
        with shelf.transaction():
            if isinstance(command, PutChunks):
                shelf.rows.execute("UPDATE documents SET title = title WHERE id = ?", (command.document,))
                if not shelf.rows.changes():
                    raise Refused("no such document")
            match command:
                case PatchDocument(_, id, title):
                    shelf.rows.execute("UPDATE documents SET title = ? WHERE id = ?", (title, id))
                case DeleteDocument(_, id):
                    shelf.rows.execute("DELETE FROM chunks WHERE document = ?", (id,))
                    shelf.rows.execute("DELETE FROM documents WHERE id = ?", (id,))
                case PutChunks(_, document, chunks):
                    shelf.add(document, chunks)
                case DeleteChunk(_, _, id):
                    shelf.rows.execute("DELETE FROM chunks WHERE id = ?", (id,))
            if not shelf.rows.changes():
                raise Refused("nothing there")

    def _put(self, library: str, documents: Mapping[str, Document]) -> None:
        shelf = self._shelf(library)
        with shelf.transaction():
            for id, document in documents.items():
                shelf.rows.execute("DELETE FROM chunks WHERE document = ?", (id,))
                shelf.rows.execute("INSERT OR REPLACE INTO documents VALUES (?, ?)", (id, document.title))
                shelf.add(id, document.chunks)

    def _create(self, command: CreateLibrary) -> None:
        id = str(uuid.uuid4())
        folder = self._folder / "libraries" / id
        try:
            folder.mkdir()
            shelf = _Shelf(folder, self._flaws)
            shelf.create()
            sync_folder(folder.parent)
        except apsw.Error as error:
            raise Refused(str(error)) from error
        self._shelves[id] = shelf
        self._catalogued("INSERT INTO libraries VALUES (?, ?, ?)", id, command.name, command.description)

    def _catalogued(self, statement: str, *values: str) -> None:
        if self._broken:
            raise Refused("read-only")
        try:
            self._catalogue.execute(statement, values)
        except apsw.FullError as error:
            raise Refused(str(error)) from error
        except apsw.Error as error:
            self._broken = True
            raise Unknown(str(error)) from error
        if not self._catalogue.changes():
            raise Refused("nothing there")

    def _id(self, name: str) -> str:
        id = self._catalogue.execute("SELECT id FROM libraries WHERE name = ?", (name,)).get
        if id is None:
            raise Refused(f"no library {name}")
        return str(id)

    def _shelf(self, name: str) -> _Shelf:
        return self._shelves[self._id(name)]

    def dump(self) -> State:
        rows: Sequence[tuple[object, ...]] = self._catalogue.execute(
            "SELECT id, name, description FROM libraries"
        ).fetchall()
        return {str(name): self._shelves[str(id)].dump(str(text)) for id, name, text in rows}

    def nearest(self, library: str, vector: Vector) -> str:
        shelf = self._shelf(library)
        slots = [int(str(slot)) for (slot,) in shelf.rows.execute("SELECT slot FROM chunks ORDER BY slot")]
        distances = np.square(shelf.vectors()[slots] - np.array(vector, np.float32)).sum(axis=1)
        return str(shelf.rows.execute("SELECT text FROM chunks WHERE slot = ?", (slots[int(distances.argmin())],)).get)

"""Any sequence of writes leaves what plain dictionaries hold, on a disk and in memory, and power cuts leave it too."""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pergamum.domain.document import Document
from pergamum.domain.vectors import Vector
from pergamum.storage.base import StoredChunk, WritableRows
from pergamum.storage.sqlite import pending
from pergamum.storage.sqlite.connection import abandon
from pergamum.storage.sqlite.library_store import SqliteLibraryStore
from pergamum.storage.vectors import FIRST_SIZE, VectorFile, encode_header
from tests.support.keywords import faults
from tests.support.storage import document, library, open_storage, stored

IDS = ("a", "B", "a/b", "é", "\uffff", "\U00010000", "🦊")
ids = st.sampled_from(IDS)
DIMENSION = 3_000
ROW_BYTES = 4 * DIMENSION
PAGE = 4_096


def vector(slot: int, text: str) -> Vector:
    return np.random.default_rng([slot, crc32(text.encode())]).random(DIMENSION, np.float32)


class Undone(Exception):
    """Raised inside a block to have it undone."""


class StorageModel(RuleBasedStateMachine):
    """Documents, chunks and slots as dictionaries beside a store."""

    kind = "memory"

    def __init__(self) -> None:
        super().__init__()
        self._cleanup = ExitStack()
        folder = Path(self._cleanup.enter_context(tempfile.TemporaryDirectory()))
        self._folder = folder / "data"
        self._storage = self._cleanup.enter_context(open_storage(self.kind, self._folder))
        self._library = library(dimension=DIMENSION)
        self._storage.create(self._library)
        self._store = self._storage.open(self._library.id)
        self._documents: dict[str, Document] = {}
        self._chunks: dict[str, StoredChunk] = {}
        self._next_slot = 0

    def teardown(self) -> None:
        self._store.close()
        self._cleanup.close()

    @rule(keys=st.lists(ids, unique=True, max_size=4), title=st.text(max_size=3))
    def put_documents(self, keys: list[str], title: str) -> None:
        documents = [document(key, title=title.replace("\ud800", "")) for key in keys]
        with self._store.writing() as work:
            work.rows.put_documents(documents)
            work.commit()
        self._documents |= {made.id: made for made in documents}

    @rule(keys=st.lists(ids, unique=True, max_size=5), owner=ids, move=st.booleans(), undo=st.booleans())
    def put_chunks(self, keys: list[str], owner: str, move: bool, undo: bool) -> None:
        new_owner = {} if owner in self._documents else {owner: document(owner)}
        chunks, next_slot = self._placed(keys, owner, move=move)
        added = [vector(made.slot, made.chunk.text) for made in chunks if made.slot >= self._next_slot]
        with self._store.writing() as work:
            work.rows.put_documents(list(new_owner.values()))
            if added:
                work.store_vectors(self._next_slot, np.stack(added))
            try:
                with work.savepoint():
                    self._write(work.rows, chunks, next_slot)
                    if undo:
                        raise Undone
            except Undone:
                chunks, next_slot = [], self._next_slot
            work.commit()
        self._documents |= new_owner
        self._chunks |= {made.chunk.id: made for made in chunks}
        self._next_slot = next_slot

    @rule(keys=st.sets(ids, max_size=3), keep=st.booleans())
    def remove_chunks(self, keys: set[str], keep: bool) -> None:
        gone = [self._chunks[key] for key in sorted(keys & self._chunks.keys())]
        with self._store.writing() as work:
            work.rows.remove_chunks(gone)
            self._save_state(work.rows, len(self._chunks) - len(gone), self._next_slot)
            if not keep:
                return
            work.commit()
        for made in gone:
            del self._chunks[made.chunk.id]

    @rule(key=ids)
    def remove_document(self, key: str) -> None:
        if any(made.chunk.document_id == key for made in self._chunks.values()):
            return
        with self._store.writing() as work:
            work.rows.remove_document(key)
            work.commit()
        self._documents.pop(key, None)

    @rule()
    def look_after(self) -> None:
        self._store.checkpoint()

    @rule()
    def open_again(self) -> None:
        self._store.close()
        self._store = self._storage.open(self._library.id)

    @invariant()
    def rows_are_those_of_the_model(self) -> None:
        in_order = sorted(self._chunks)
        with self._store.reading() as rows:
            assert rows.documents(None, 99) == [self._documents[key] for key in sorted(self._documents)]
            assert rows.chunks(None, 99) == [self._chunks[key] for key in in_order]
            assert rows.chunks("a/b", 2) == [self._chunks[key] for key in in_order if key > "a/b"][:2]
            assert rows.chunks_by_id(IDS) == self._chunks
            live = {made.slot: made for made in self._chunks.values()}
            assert rows.chunks_at(range(self._next_slot + 1)) == live
            assert set(rows.dead_slots().tolist()) == set(range(self._next_slot)) - live.keys()
            assert list(rows.vector_checksums(2)) == [(s, live[s].vector_crc) for s in sorted(live) if s >= 2]

    @invariant()
    def every_chunk_has_its_vector(self) -> None:
        matrix = self._store.vectors.matrix(self._next_slot)
        wrong = [made for made in self._chunks.values() if crc32(matrix[made.slot].data) != made.vector_crc]
        assert wrong == []

    @invariant()
    def every_document_has_its_chunks(self) -> None:
        with self._store.reading() as rows:
            for key in self._documents:
                owned = [made for made in self._chunks.values() if made.chunk.document_id == key]
                owned.sort(key=lambda made: made.chunk.chunk_index)
                assert rows.chunks_of(key, None, None) == owned
                assert rows.slots_of(key).tolist() == sorted(made.slot for made in owned)
            assert rows.slots_of("nowhere").tolist() == []

    def _placed(self, keys: Sequence[str], owner: str, *, move: bool) -> tuple[list[StoredChunk], int]:
        chunks, next_slot = [], self._next_slot
        for key in keys:
            held = self._chunks.get(key)
            slot = next_slot if move or held is None else held.slot
            next_slot += slot == next_slot
            made = stored(slot, key, document_id=owner, text=f"{key} at {next_slot}")
            crc = crc32(vector(slot, made.chunk.text).data) if held is None or held.slot != slot else held.vector_crc
            chunks.append(replace(made, vector_crc=crc))
        return chunks, next_slot

    def _write(self, rows: WritableRows, chunks: list[StoredChunk], next_slot: int) -> None:
        rows.put_chunks(chunks)
        self._save_state(rows, len(self._chunks.keys() | {made.chunk.id for made in chunks}), next_slot)

    def _save_state(self, rows: WritableRows, chunks: int, next_slot: int) -> None:
        rows.save_state(replace(rows.state(), chunks=chunks, next_slot=next_slot))


class SqliteModel(StorageModel):
    """The same on a disk, where what was not flushed of the vector file may be lost."""

    kind = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        patch = self._cleanup.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(pending, "SMALL_GROUP_BYTES", 2 * ROW_BYTES)
        patch.setattr(pending, "MOST_VECTORS", 6)
        self._path = next(self._folder.rglob("library.db")).with_name("vectors.f32")
        self._flushed = encode_header(DIMENSION)
        flush = VectorFile.flush

        def remembered(file: VectorFile) -> None:
            flush(file)
            self._flushed = self._path.read_bytes()

        patch.setattr(VectorFile, "flush", remembered)

    def teardown(self) -> None:
        self._store.close()
        found = faults(self._folder)
        self._cleanup.close()
        assert found == [], "the keyword index does not hold the rows' words"

    @rule(keys=st.lists(ids, unique=True, max_size=4), seed=st.integers(0, 99), grown=st.booleans())
    def lose_power(self, keys: list[str], seed: int, grown: bool) -> None:
        """Keep of the vector file what was flushed and any of the pages written since, a last group among them."""
        self.put_chunks(keys, "a", move=True, undo=False)
        store = self._store
        assert isinstance(store, SqliteLibraryStore)
        store._pool.close()
        abandon(store._writer)
        store._vectors.close()
        if self._path.exists():
            self._path.write_bytes(_torn(self._path.read_bytes(), self._flushed, seed, grown=grown))
        self._store = self._storage.open(self._library.id)


def _torn(now: bytes, flushed: bytes, seed: int, *, grown: bool) -> bytes:
    size = len(now) if grown else max(len(flushed), FIRST_SIZE)
    pages = bytearray(flushed.ljust(size, b"\0"))
    for at in np.flatnonzero(np.random.default_rng(seed).random(size // PAGE) < 0.5).tolist():
        pages[at * PAGE : (at + 1) * PAGE] = now[at * PAGE : (at + 1) * PAGE]
    return bytes(pages)


TestMemoryStorage = StorageModel.TestCase
TestSqliteStorage = SqliteModel.TestCase
TestMemoryStorage.settings = settings(stateful_step_count=20)
TestSqliteStorage.settings = settings(stateful_step_count=20, max_examples=min(20, settings().max_examples))

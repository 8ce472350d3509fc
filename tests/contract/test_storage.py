"""What every storage keeps, on a disk and in memory: the rows and the transactions of one library."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from pergamum.domain.library import Chunking, IndexKind, IndexSpec
from pergamum.domain.vectors import Metric
from pergamum.storage.base import IndexSnapshot, LibraryState, LibraryStore, Storage
from tests.support.storage import UNUSUAL_IDS, document, library, save, save_vectors, stored


def test_a_new_store_holds_the_library_and_nothing_else(storage: Storage) -> None:
    kept = library(
        description="all of them",
        metric=Metric.DOT,
        dimension=8,
        embedding_model="local",
        index=IndexSpec(IndexKind.BRUTE_FORCE, {"block": 64, "deep": [1, None, "é"]}),
        recall=0.8,
        chunking=Chunking(200, 20),
        version=3,
    )
    storage.create(kept)

    opened = storage.open(kept.id)

    with opened.reading() as rows:
        assert rows.state() == LibraryState(kept)
        assert rows.chunks(None, 10) == []
        assert rows.snapshot() is None
        assert rows.dead_slots().tolist() == []
    opened.close()


def test_every_field_comes_back(store: LibraryStore) -> None:
    full = document(
        title="Title",
        author="",
        document_type="note",
        source_url="https://example.org",
        tags=("a", "ü", ""),
        metadata={"year": 2020, "score": 0.1, "nested": {"list": [1, None, True]}, "sign": "🦊"},
        text="line\n" * 4_000,
        next_chunk_index=7,
        chunks=1,
        version=9,
    )
    chunk = stored(0, page_number=3, metadata={"key": [1.5, "x"]}, version=5, text="\x1f\x00 ends")

    save(store, chunk, documents=(full,))

    with store.reading() as rows:
        assert rows.document("d") == full
        assert rows.chunk("c0") == chunk


def test_what_is_not_there_is_left_out(store: LibraryStore) -> None:
    save(store, stored(0), stored(1))

    with store.reading() as rows:
        assert rows.document("other") is None
        assert rows.chunk("other") is None
        assert rows.documents_by_id(["d", "other"]).keys() == {"d"}
        assert rows.chunks_by_id(["c1", "other"]).keys() == {"c1"}
        assert rows.chunks_at([1, 99]).keys() == {1}
        assert rows.chunks_of("other", None, None) == []
        assert rows.chunks_by_id([]) == {}


def test_unusual_ids_round_trip_in_order_of_code_points(store: LibraryStore) -> None:
    chunks = [stored(slot, key, document_id=key) for slot, key in enumerate(UNUSUAL_IDS)]

    save(store, *chunks, documents=tuple(document(key) for key in UNUSUAL_IDS))

    with store.reading() as rows:
        assert [found.chunk.id for found in rows.chunks(None, 100)] == sorted(UNUSUAL_IDS)
        assert [found.id for found in rows.documents(None, 100)] == sorted(UNUSUAL_IDS)
        assert rows.chunks_by_id(UNUSUAL_IDS) == dict(zip(UNUSUAL_IDS, chunks, strict=True))
        assert [rows.chunks_of(key, None, None) for key in UNUSUAL_IDS] == [[chunk] for chunk in chunks]


def test_lists_go_on_after_an_id_and_stop_at_the_limit(store: LibraryStore) -> None:
    save(store, *(stored(slot, f"c{slot:02}") for slot in range(10)), documents=(document("d"), document("e")))

    with store.reading() as rows:
        assert [found.chunk.id for found in rows.chunks("c03", 2)] == ["c04", "c05"]
        assert [found.chunk.id for found in rows.chunks("c035", 1)] == ["c04"]
        assert rows.chunks("c09", 5) == []
        assert [found.id for found in rows.documents("d", 5)] == ["e"]
        assert rows.documents(None, 0) == []


def test_chunks_of_a_document_come_in_order_of_their_index(store: LibraryStore) -> None:
    save(store, stored(0, chunk_index=7), stored(1, chunk_index=2), stored(2, chunk_index=4))

    with store.reading() as rows:
        assert [found.slot for found in rows.chunks_of("d", None, None)] == [1, 2, 0]
        assert [found.slot for found in rows.chunks_of("d", 2, None)] == [2, 0]
        assert [found.slot for found in rows.chunks_of("d", None, 1)] == [1]


def test_a_chunk_that_keeps_its_slot_is_replaced_in_place(store: LibraryStore) -> None:
    save(store, stored(0), stored(1))

    with store.writing() as work:
        work.rows.put_chunks([stored(0, text="changed", version=2)])
        work.commit()

    with store.reading() as rows:
        assert rows.chunks_at([0, 1]) == {0: stored(0, text="changed", version=2), 1: stored(1)}
        assert rows.dead_slots().tolist() == []


def test_a_chunk_that_moves_leaves_its_slot_dead(store: LibraryStore) -> None:
    save(store, stored(0), stored(1))

    with store.writing() as work:
        work.rows.put_chunks([stored(2, "c0"), stored(3, "new"), stored(1, text="same slot")])
        work.rows.save_state(replace(work.rows.state(), next_slot=4, chunks=3))
        work.commit()

    with store.reading() as rows:
        assert rows.chunk("c0") == stored(2, "c0")
        assert rows.chunks_at([0]) == {}
        assert rows.dead_slots().tolist() == [0]
        assert rows.dead_slots().dtype == np.int64


def test_removed_chunks_leave_their_slots_dead(store: LibraryStore) -> None:
    save(store, *map(stored, range(5)))

    with store.writing() as work:
        work.rows.remove_chunks([stored(1), stored(4)])
        work.rows.save_state(replace(work.rows.state(), chunks=3))
        work.commit()

    with store.reading() as rows:
        assert [found.slot for found in rows.chunks_of("d", None, None)] == [0, 2, 3]
        assert rows.dead_slots().tolist() == [1, 4]
        assert list(rows.vector_checksums(2)) == [(2, 4_000_000_002), (3, 4_000_000_003)]


def test_a_slot_that_was_never_filled_is_dead(store: LibraryStore) -> None:
    save(store, stored(0), stored(3))

    with store.reading() as rows:
        assert rows.dead_slots().tolist() == [1, 2]


def test_dead_slots_are_right_within_the_write_that_makes_them(store: LibraryStore) -> None:
    save(store, stored(0), stored(1))

    with store.writing() as work:
        work.rows.remove_chunks([stored(0)])

        assert work.rows.dead_slots().tolist() == [0]


def test_a_removed_document_is_gone(store: LibraryStore) -> None:
    save(store, stored(0), documents=(document("d"), document("e")))

    with store.writing() as work:
        work.rows.remove_chunks([stored(0)])
        work.rows.remove_document("d")
        work.commit()

    with store.reading() as rows:
        assert [found.id for found in rows.documents(None, 10)] == ["e"]
        assert rows.chunks(None, 10) == []


def test_a_replaced_document_keeps_its_chunks(store: LibraryStore) -> None:
    save(store, stored(0))

    with store.writing() as work:
        work.rows.put_documents([document("d", title="new", version=2)])
        work.commit()

    with store.reading() as rows:
        assert rows.document("d") == document("d", title="new", version=2)
        assert rows.chunks_of("d", None, None) == [stored(0)]


def test_chunks_need_their_document(store: LibraryStore) -> None:
    with store.writing() as work, pytest.raises(KeyError):
        work.rows.put_chunks([stored(0, document_id="nobody")])


def test_the_snapshot_that_counts_is_the_one_named_last(store: LibraryStore) -> None:
    named = IndexSnapshot("00000012", position=12, slots=40, manifest_crc=2**32 - 1)

    for snapshot in (replace(named, folder="old"), named):
        with store.writing() as work:
            work.rows.name_snapshot(snapshot)
            work.commit()

    with store.reading() as rows:
        assert rows.snapshot() == named
    with store.writing() as work:
        work.rows.name_snapshot(None)
        work.commit()
    with store.reading() as rows:
        assert rows.snapshot() is None


def test_leaving_without_commit_undoes_everything(store: LibraryStore) -> None:
    save(store, stored(0))

    with store.writing() as work:
        work.rows.put_documents([document("e")])
        work.rows.remove_chunks([stored(0)])
        work.rows.save_state(replace(work.rows.state(), position=99))

    with store.reading() as rows:
        assert rows.state().position == 1
        assert rows.chunk("c0") == stored(0)
        assert rows.document("e") is None


def test_an_error_undoes_everything_and_goes_on(store: LibraryStore) -> None:
    with pytest.raises(ZeroDivisionError), store.writing() as work:  # noqa: PT012  # the block is what is tested
        work.rows.put_documents([document()])
        raise ZeroDivisionError

    save(store, stored(0))
    with store.reading() as rows:
        assert rows.state().position == 1


def test_a_savepoint_undoes_only_its_own_block(store: LibraryStore) -> None:
    with store.writing() as work:
        with work.savepoint():
            work.rows.put_documents([document("kept")])
        with pytest.raises(ZeroDivisionError), work.savepoint():  # noqa: PT012  # the block is what is tested
            work.rows.put_documents([document("undone")])
            work.rows.put_chunks([stored(0, document_id="undone")])
            raise ZeroDivisionError
        with work.savepoint():
            work.rows.put_chunks([stored(0, document_id="kept")])
        work.commit()

    with store.reading() as rows:
        assert [found.id for found in rows.documents(None, 10)] == ["kept"]
        assert rows.chunks(None, 10) == [stored(0, document_id="kept")]


def test_a_write_reads_what_it_wrote(store: LibraryStore) -> None:
    with store.writing() as work:
        work.rows.put_documents([document()])
        work.rows.put_chunks([stored(0)])

        assert work.rows.chunk("c0") == stored(0)
        assert work.rows.documents_by_id(["d"]) == {"d": document()}


def test_a_reader_sees_one_position_while_a_write_commits(store: LibraryStore) -> None:
    save(store, stored(0))

    with store.reading() as before:
        save(store, stored(1))
        with store.reading() as after:
            assert after.state().position == 2
            assert after.chunks_at([0, 1]).keys() == {0, 1}
        assert before.state().position == 1
        assert before.chunks_at([0, 1]).keys() == {0}


def test_what_was_committed_is_there_after_closing_and_opening(storage: Storage) -> None:
    kept = library(dimension=2)
    storage.create(kept)
    first = storage.open(kept.id)
    save_vectors(first, 0, np.array([[1, 2], [3, 4]], np.float32))
    save(first, stored(0), stored(1))
    first.close()

    second = storage.open(kept.id)

    with second.reading() as rows:
        assert rows.chunks_at([0, 1]) == {0: stored(0), 1: stored(1)}
    assert second.vectors.matrix(2)[:2].tolist() == [[1, 2], [3, 4]]
    second.checkpoint()
    second.close()


def test_every_reader_sees_whole_commits_while_a_writer_goes_on(store: LibraryStore) -> None:
    commits = 60
    torn: list[tuple[int, int, int]] = []
    started, done = threading.Barrier(4), threading.Event()

    def read() -> None:
        started.wait()
        finished = False
        while not finished:
            finished = done.is_set()  # looked at before reading, so that the last state is read too
            with store.reading() as rows:
                state, found = rows.state(), rows.chunks(None, 10 * commits)
            if not len(found) == state.chunks == 3 * state.position:
                torn.append((state.position, state.chunks, len(found)))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    started.wait()
    for first in range(0, 3 * commits, 3):
        save(store, *map(stored, range(first, first + 3)))
    done.set()
    for reader in readers:
        reader.join()

    assert torn == []

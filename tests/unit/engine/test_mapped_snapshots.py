"""What was saved is searched where it lies in its files: not held twice, not changed, and not believed unchecked."""

import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pergamum.domain.library import IndexKind, IndexSpec
from pergamum.domain.vectors import Matrix, Metric
from pergamum.engine.live_library import LiveLibrary
from pergamum.engine.snapshots import MANIFEST, Loaded, Saved, in_files, load_snapshot, save_snapshot
from pergamum.engine.view import Built, Made, View
from pergamum.index.brute_force.index import BruteForceIndex
from pergamum.index.layered import LayeredIndex
from pergamum.index.mask import BLOCK_SLOTS, SlotMask
from pergamum.storage.base import LibraryState
from pergamum.storage.sqlite.storage import SqliteStorage
from tests.support.built import build, clustered, widest
from tests.support.kernels import assert_same, compiled_only, oracle, prepare_kernels
from tests.support.library import a_chunk, a_library, put, put_chunks

SPECS = [IndexSpec(IndexKind(kind)) for kind in ("brute_force", "kd_tree", "lsh", "hnsw", "ivf")]
specs = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind.value)
LIVE = SlotMask()
FLIPS = 40
HEADER_BYTES = 4_096


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    prepare_kernels()


def _view(spec: IndexSpec, vectors: Matrix, slots: int, built_slots: int) -> View:
    """A view of the first `slots` vectors, of which the first `built_slots` are in an index of that kind."""
    index = LayeredIndex.empty(vectors.shape[1], Metric.L2).extended(vectors[:slots])
    state = LibraryState(a_library(dimension=vectors.shape[1]), position=7, next_slot=slots)
    view = View(state, LIVE, index, vectors)
    if spec.kind is IndexKind.BRUTE_FORCE:
        return view
    built = build(spec.kind.value, vectors[:built_slots], Metric.L2)
    return view.with_index(Built(index.with_built(built, vectors), Made(spec, 0), None))


def _assert_exact(index: LayeredIndex, vectors: Matrix) -> None:
    """Every strategy, trying as hard as it can, finds the true neighbours among the index's slots."""
    known, queries = vectors[: index.count], vectors[-3:]
    true = oracle(Metric.L2, queries, 4, known, LIVE)
    assert_same(index.search(queries, 4, vectors, LIVE), true)
    for strategy in () if index.built is None else index.built.strategies:
        route = widest(index.built, strategy, index.count, 4)  # type: ignore[arg-type]
        found = index.search(queries, 4, vectors, LIVE, route)
        np.testing.assert_array_equal(found.distances[:, 0], true.distances[:, 0])


@specs
def test_a_view_goes_on_in_the_files_of_its_snapshot(spec: IndexSpec, tmp_path: Path) -> None:
    vectors = clustered(400, 7)
    view = _view(spec, vectors, 300, 250)
    assert view.index is not None
    snapshot, _ = save_snapshot(view, tmp_path, Saved())

    later = view.following(view.state, None, [], None)  # type: ignore[arg-type]  # nothing was added: no store is asked
    mapped = later.in_files(view, in_files(view, tmp_path / snapshot.folder))

    assert mapped.index is not None
    assert (mapped.index.count, mapped.index.kind) == (view.index.count, view.index.kind)
    assert mapped.index.memory_bytes == view.index.memory_bytes
    if mapped.index.built is not None and view.index.built is not None:
        assert mapped.index.built.anonymous_bytes < 0.1 * view.index.built.anonymous_bytes
    _assert_exact(mapped.index, vectors)
    _assert_exact(mapped.index.extended(vectors[300:]), vectors)
    assert view.index.count == 300


@specs
def test_a_library_goes_on_in_its_files_and_takes_writes(spec: IndexSpec, tmp_path: Path) -> None:
    settings, vectors = replace(a_library(dimension=7), index=spec), clustered(300, 7)
    storage = SqliteStorage(tmp_path)
    storage.create(settings)
    library = LiveLibrary(storage.open(settings.id), lambda _: None)
    library.write([put("d", [a_chunk(f"c{n}", "d", vectors[n]) for n in range(200)])])
    view = library.view
    if spec.kind is not IndexKind.BRUTE_FORCE and view.index is not None and view.vectors is not None:
        built = build(spec.kind.value, view.vectors[:200], Metric.L2)
        assert library.publish_index(spec, Built(view.index.with_built(built, view.vectors), Made(spec, 0), None))
    before = library.status()

    library.save_snapshot()
    after = library.status()
    library.write([put_chunks([a_chunk(f"c{n}", "d", vectors[n]) for n in range(200, 300)])])

    assert (after.memory_bytes, after.unsaved) == (before.memory_bytes, 0)
    if spec.kind is not IndexKind.BRUTE_FORCE:
        codes = (
            0
            if spec.kind is IndexKind.HNSW
            else BruteForceIndex.empty(7, Metric.L2).extended(vectors[:200]).memory_bytes
        )
        assert after.anonymous_bytes - codes < 0.1 * (before.anonymous_bytes - codes)
        assert not library.wants_snapshot()
    for _ in range(2):
        for wanted in (0, 150, 250, 299):
            (answer,) = library.search(vectors[wanted : wanted + 1], 1)
            assert answer.hits[0].chunk.id == f"c{wanted}"
        library.close()
        library = LiveLibrary(storage.open(settings.id), lambda _: None)
    library.close()
    storage.close()


@compiled_only
@pytest.mark.parametrize("slots", [BLOCK_SLOTS, BLOCK_SLOTS + 100])
def test_full_blocks_of_codes_are_mapped_and_the_next_ones_grow_beside_them(slots: int, tmp_path: Path) -> None:
    vectors = clustered(2 * BLOCK_SLOTS + 300, 3)
    view = _view(SPECS[0], vectors, slots, 0)
    assert view.index is not None
    snapshot, _ = save_snapshot(view, tmp_path, Saved())
    grown = view.index.extended(vectors[slots : BLOCK_SLOTS + 200])

    mapped = in_files(view, tmp_path / snapshot.folder).index
    assert mapped is not None
    swapped = grown.in_files(mapped.tail, None)
    for index in (swapped, mapped.extended(vectors[slots : BLOCK_SLOTS + 200])):
        assert index.anonymous_bytes < 0.02 * index.memory_bytes
        longer = index.extended(vectors[index.count :])
        found = longer.search(vectors[-3:], 5, vectors, LIVE)
        assert_same(found, oracle(Metric.L2, vectors[-3:], 5, vectors, LIVE))
        with pytest.raises(ValueError, match="read-only"):
            index.tail.blocks[0].codes[0] = 1
    assert swapped.count == BLOCK_SLOTS + 200


@specs
def test_each_byte_is_compared_once(spec: IndexSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the manifest; of the checksums that files have of their own, only those of their headers are looked at."""
    vectors = clustered(3_000, 7)
    snapshot, _ = save_snapshot(_view(spec, vectors, 3_000, 2_900), tmp_path, Saved())
    sizes = {file.name: file.stat().st_size for file in (tmp_path / snapshot.folder).iterdir()}
    whole = sum(size for name, size in sizes.items() if name != MANIFEST)
    compared: list[int] = []
    crc32 = zlib.crc32

    def counted(data: bytes, before: int = 0) -> int:
        compared.append(memoryview(data).nbytes)
        return crc32(data, before)

    monkeypatch.setattr(zlib, "crc32", counted)

    loaded = load_snapshot(snapshot, tmp_path)

    assert _parts(loaded) == len(sizes) - 1
    assert whole <= sum(compared) <= whole + HEADER_BYTES * len(sizes)


@specs
def test_no_damaged_byte_of_any_file_is_believed(spec: IndexSpec, tmp_path: Path) -> None:
    vectors = clustered(300, 7)
    view = _view(spec, vectors, 300, 250)
    snapshot, _ = save_snapshot(view, tmp_path, Saved())
    whole = load_snapshot(snapshot, tmp_path)
    assert (whole.codes is None, whole.built is None) == (spec.kind is IndexKind.HNSW, spec.kind.value == "brute_force")
    _assert_loaded(whole, vectors)
    rng = np.random.default_rng(3)

    for file in sorted((tmp_path / snapshot.folder).iterdir()):
        content = file.read_bytes()
        places = {0, len(content) - 1, *rng.integers(0, len(content), FLIPS).tolist()}
        for place in places:
            file.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
            assert _parts(load_snapshot(snapshot, tmp_path)) < _parts(whole), (file.name, place)
        for damaged in (b"", content[:-1], content + b"\0"):
            file.write_bytes(damaged)
            assert _parts(load_snapshot(snapshot, tmp_path)) < _parts(whole), (file.name, len(damaged))
        file.write_bytes(content)


def _assert_loaded(loaded: Loaded, vectors: Matrix) -> None:
    codes = loaded.codes or BruteForceIndex.empty(7, Metric.L2, 0 if loaded.built is None else loaded.built.count)
    tail = codes.extended(vectors[codes.count :])
    _assert_exact(LayeredIndex(tail, loaded.built), vectors)


def _parts(loaded: Loaded) -> int:
    return (loaded.codes is not None) + (loaded.built is not None)

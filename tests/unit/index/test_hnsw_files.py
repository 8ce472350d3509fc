"""A saved graph comes back as it was or not at all; `faults` finds what no checksum can."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pergamum.domain.vectors import Matrix, Metric
from pergamum.errors import Damaged, NewerFormat
from pergamum.index.base import SCAN
from pergamum.index.hnsw.graph import ABSENT, NONE, Graph, copied
from pergamum.index.hnsw.index import HnswIndex
from pergamum.index.hnsw.snapshot import HEADER_BYTES, NAME
from tests.support.built import ALL, assert_same_graph, clustered, graph, quiet, some_dead, walked
from tests.support.kernels import assert_same, prepare_kernels

VECTORS = clustered(130, 7)


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    prepare_kernels()


@pytest.fixture(scope="module")
def index(kernels: None) -> HnswIndex:
    return graph(VECTORS, Metric.L2, ALL.without(range(100, 110)), params={"m": 4, "ef_construction": 20})


@pytest.fixture
def saved(index: HnswIndex, tmp_path: Path) -> Path:
    index.save(tmp_path)
    return tmp_path / NAME


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("count", [0, 1, 2, 130])
def test_a_saved_graph_comes_back(metric: Metric, count: int, tmp_path: Path) -> None:
    index = graph(VECTORS[:count], metric, some_dead(count, 0.2))

    index.save(tmp_path)
    loaded = HnswIndex.load(tmp_path)

    assert_same_graph(loaded, index)
    assert (loaded.dimension, loaded.metric, loaded.params) == (7, metric, index.params)
    for route in (None, SCAN):
        before, after = (
            walked(each, VECTORS[:9], VECTORS, 30)
            if route is None
            else each.search(VECTORS[:9], 9, VECTORS, ALL, route)
            for each in (index, loaded)
        )
        assert_same(after, before)
    assert list(loaded.faults()) == []


def test_what_is_loaded_is_mapped_read_only_and_on_cache_lines(saved: Path) -> None:
    loaded = HnswIndex.load(saved.parent)

    parts = (*loaded.rows, *loaded.graph)
    assert not any(part.flags.writeable for part in parts)
    assert all(part.ctypes.data % 64 == 0 for part in parts)
    with pytest.raises(ValueError, match="read-only"):
        loaded.graph.links[0, 0] = 1


def test_a_loaded_graph_grows_like_the_one_that_was_saved(index: HnswIndex, saved: Path) -> None:
    vectors: Matrix = np.concatenate([VECTORS, clustered(50, 7, seed=3)])

    assert_same_graph(
        HnswIndex.load(saved.parent).grown(vectors, some_dead(130, 0.5), quiet()),
        index.grown(vectors, some_dead(130, 0.5), quiet()),
    )


def test_a_flipped_bit_anywhere_is_damage(saved: Path) -> None:
    whole = saved.read_bytes()
    header = range(80)
    body = np.random.default_rng(1).integers(HEADER_BYTES, len(whole), 400).tolist()
    for at in [*header, 200, HEADER_BYTES - 1, HEADER_BYTES, *body, *range(len(whole) - 64, len(whole))]:
        flipped = bytearray(whole)
        flipped[at] ^= 1 << at % 8
        saved.write_bytes(flipped)

        with pytest.raises(Damaged):
            HnswIndex.load(saved.parent)


def test_every_array_is_under_the_checksum(index: HnswIndex, saved: Path) -> None:
    whole, start = saved.read_bytes(), HEADER_BYTES
    for part in (*index.rows, *index.graph):
        for at in (start, start + part.nbytes // 2, start + part.nbytes - 1):
            saved.write_bytes(whole[:at] + bytes([whole[at] ^ 0x80]) + whole[at + 1 :])
            with pytest.raises(Damaged, match="checksum does not match"):
                HnswIndex.load(saved.parent)
        start += part.nbytes + -part.nbytes % 64
    assert start == len(whole)


def test_a_file_of_another_length_is_damage(saved: Path) -> None:
    whole = saved.read_bytes()
    for content in (b"", whole[:8], whole[:HEADER_BYTES], whole[:-1], whole[:-64], whole + b"\0", whole + bytes(64)):
        saved.write_bytes(content)

        with pytest.raises(Damaged):
            HnswIndex.load(saved.parent)


def test_a_newer_format_another_file_and_none_are_told_apart(saved: Path) -> None:
    whole = saved.read_bytes()
    saved.write_bytes(whole[:8] + b"\4\0\0\0" + whole[12:])
    with pytest.raises(NewerFormat, match="format 4 is newer than 3"):
        HnswIndex.load(saved.parent)

    saved.write_bytes(b"x" + whole[1:])
    with pytest.raises(Damaged, match="is not an hnsw index"):
        HnswIndex.load(saved.parent)

    saved.unlink()
    with pytest.raises(Damaged, match="cannot be read"):
        HnswIndex.load(saved.parent)


def test_nothing_is_written_over(index: HnswIndex, saved: Path) -> None:
    before = saved.read_bytes()

    with pytest.raises(FileExistsError):
        index.save(saved.parent)

    assert saved.read_bytes() == before
    shutil.rmtree(saved.parent)


def test_the_same_index_is_written_as_the_same_bytes(index: HnswIndex, saved: Path, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    HnswIndex.load(saved.parent).save(tmp_path / "again")

    assert (tmp_path / "again" / NAME).read_bytes() == saved.read_bytes()


def _out_of_range(made: Graph) -> None:
    made.links[3, 0] = 130


def _far_out_of_range(made: Graph) -> None:
    made.links[3, 0] = 0x7FFFFFFF


def _to_itself(made: Graph) -> None:
    made.links[3, 0] = 3


def _twice(made: Graph) -> None:
    made.links[3, 1] = made.links[3, 0]


def _to_an_absent_slot(made: Graph) -> None:
    made.links[int(np.flatnonzero(made.levels != ABSENT)[2]), 0] = np.flatnonzero(made.levels == ABSENT)[0]


def _upper_out_of_range(made: Graph) -> None:
    made.upper[0, 0] = 130


def _upper_to_a_slot_below(made: Graph) -> None:
    made.upper[0, 0] = np.flatnonzero(made.levels == 0)[0]


def _nobody_links_to_eight(made: Graph) -> None:
    for row in made.links:
        kept = row[(row != 8) & (row != NONE)]
        row[:] = NONE
        row[: len(kept)] = kept


def _no_links(made: Graph) -> None:
    made.links[:] = NONE


def _entry_gone(made: Graph) -> None:
    made.levels[made.levels == made.levels[made.levels != ABSENT].max()] = 0


@pytest.mark.parametrize(
    ("breaks", "said"),
    [
        (_out_of_range, "layer 0 has links beyond slot 129"),
        (_far_out_of_range, "layer 0 has links beyond slot 129"),
        (_to_itself, "layer 0 has 1 links from a slot to itself"),
        (_twice, "layer 0 has 1 links that are there twice"),
        (_to_an_absent_slot, "layer 0 has 1 links to slots that are not on it"),
        (_upper_out_of_range, "layer 1 has links beyond slot 129"),
        (_upper_to_a_slot_below, "layer 1 has 1 links to slots that are not on it"),
        (_nobody_links_to_eight, "1 slots cannot be reached"),
        (_no_links, "slots cannot be reached"),
        (_entry_gone, "is the entry and not on the highest layer"),
    ],
)
def test_faults_finds_what_is_broken(index: HnswIndex, breaks: Callable[[Graph], None], said: str) -> None:
    made = copied(index.graph)

    breaks(made)

    assert any(said in fault for fault in replace(index, graph=made).faults())


@pytest.mark.parametrize("entry", [-1, 130, 1000])
def test_faults_finds_a_wrong_entry(index: HnswIndex, entry: int) -> None:
    assert any("is the entry" in fault for fault in replace(index, entry=entry).faults())


def test_faults_finds_an_absent_or_low_entry_and_one_without_slots(index: HnswIndex) -> None:
    low, absent = (int(np.flatnonzero(index.graph.levels == level)[0]) for level in (0, ABSENT))

    for entry in (low, absent):
        assert any("is the entry" in fault for fault in replace(index, entry=entry).faults())
    assert any("without slots" in fault for fault in replace(graph(VECTORS[:0]), entry=0).faults())

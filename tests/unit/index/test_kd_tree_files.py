"""A saved kd-tree comes back as it was or not at all; `faults` finds what no checksum can."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.domain.vectors import Metric
from pergamum.errors import Damaged, NewerFormat
from pergamum.index.base import Job, Route, Strategy
from pergamum.index.kd_tree.index import KdTreeIndex
from pergamum.index.kd_tree.params import KdTreeParams
from pergamum.index.kd_tree.snapshot import NAME
from pergamum.index.kd_tree.tree import Tree
from pergamum.index.mask import SlotMask
from tests.support.kernels import assert_same, hard_vectors, prepare_kernels

METRICS = [Metric.L2, Metric.COSINE]
LIVE = SlotMask()
VECTORS = hard_vectors("normal", 300, 3, 1)


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    prepare_kernels()


def _built(count: int = 300, metric: Metric = Metric.L2, live: SlotMask = LIVE) -> KdTreeIndex:
    return KdTreeIndex.build(VECTORS[:count], metric, live, KdTreeParams(8), Job(1, lambda _: None))


@pytest.fixture(scope="module")
def saved(kernels: None, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("saved")
    _built(40).save(folder)
    return (folder / NAME).read_bytes()


def _load(content: bytes, folder: Path) -> KdTreeIndex:
    (folder / NAME).write_bytes(content)
    return KdTreeIndex.load(folder)


def _rehashed(content: bytes) -> bytes:
    """The file with both checksums made to match."""
    fields = content[:40] + struct.pack("<I", zlib.crc32(content[64:]))
    return fields + struct.pack("<I", zlib.crc32(fields)) + content[48:]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("count", [0, 1, 8, 9, 300])
def test_a_saved_index_comes_back(metric: Metric, count: int, tmp_path: Path) -> None:
    live = SlotMask().without(range(0, count, 5))
    index = _built(count, metric, live)

    index.save(tmp_path)
    loaded = KdTreeIndex.load(tmp_path)

    route = Route(Strategy.TREE)
    assert (loaded.dimension, loaded.metric, loaded.count, loaded.params) == (3, metric, count, KdTreeParams(8))
    assert_same(loaded.search(VECTORS, 7, VECTORS, live, route), index.search(VECTORS, 7, VECTORS, live, route))
    assert list(loaded.faults()) == []
    assert not any(part.flags.writeable for part in loaded.tree)


def test_arrays_lie_as_the_format_says(saved: bytes) -> None:
    assert saved[:8] == b"PGMKDTRE"
    assert struct.unpack("<IIIIQQ", saved[8:40]) == (1, 3, 2, 8, 40, 40)
    assert len(saved) == 64 + 40 * 8 + 1 * 2 * 3 * 16 * 4 + 5 * 3 * 8 * 4


@given(at=st.integers(0, 10**9), bit=st.integers(0, 7))
def test_a_flipped_bit_is_damage(saved: bytes, tmp_path_factory: pytest.TempPathFactory, at: int, bit: int) -> None:
    content = bytearray(saved)
    content[at % len(content)] ^= 1 << bit

    with pytest.raises(Damaged):
        _load(bytes(content), tmp_path_factory.getbasetemp())


def test_every_bit_of_the_header_counts(saved: bytes, tmp_path: Path) -> None:
    for at in range(64 * 8):
        content = bytearray(saved)
        content[at // 8] ^= 1 << at % 8
        with pytest.raises(Damaged):
            _load(bytes(content), tmp_path)


def test_a_file_of_another_length_is_damaged(saved: bytes, tmp_path: Path) -> None:
    for content in (b"", saved[:10], saved[:64], saved[:-1], saved + b"\0"):
        with pytest.raises(Damaged):
            _load(content, tmp_path)


def test_a_missing_file_is_damaged(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="cannot be read"):
        KdTreeIndex.load(tmp_path)


def test_a_newer_format_is_refused_by_name(saved: bytes, tmp_path: Path) -> None:
    with pytest.raises(NewerFormat, match="format 2 is newer than 1"):
        _load(saved[:8] + struct.pack("<I", 2) + saved[12:], tmp_path)


def test_a_slot_that_does_not_exist_is_damage_even_with_a_checksum(saved: bytes, tmp_path: Path) -> None:
    content = saved[:64] + struct.pack("<q", 40) + saved[72:]

    with pytest.raises(Damaged, match="slots that do not exist"):
        _load(_rehashed(content), tmp_path)


def test_a_header_that_makes_no_sense_is_damage(saved: bytes, tmp_path: Path) -> None:
    dot = saved[:16] + struct.pack("<I", 1) + saved[20:]

    with pytest.raises(Damaged, match="makes no sense"):
        _load(_rehashed(dot), tmp_path)


def _swapped_slots(tree: Tree) -> None:
    tree.slots[0] = tree.slots[1]


def _unknown_slot(tree: Tree) -> None:
    tree.slots[5] = 300


def _moved_point(tree: Tree) -> None:
    tree.leaves[7, 1, 3] += 100.0


def _lost_point(tree: Tree) -> None:
    tree.leaves[7, 1, 3] = np.nan


def _shrunken_box(tree: Tree) -> None:
    tree.boxes[0, 1, 0, 1] -= 1e-3


def _wrong_child(tree: Tree) -> None:
    tree.first[1] += 1


@pytest.mark.parametrize(
    ("breaks", "said"),
    [
        (_swapped_slots, "more than once"),
        (_unknown_slot, "slot 300 does not exist"),
        (_moved_point, "leaf 7 has a point outside its box"),
        (_lost_point, "leaf 7 has a point outside its box"),
        (_shrunken_box, "has a child outside its box"),
        (_wrong_child, "do not follow"),
    ],
)
def test_faults_finds_what_is_broken(breaks: Callable[[Tree], None], said: str) -> None:
    index = _built()
    slots, boxes, leaves, first = index.tree
    tree = Tree(slots.copy(), boxes.copy(), leaves.copy(), first.copy())

    breaks(tree)

    broken = KdTreeIndex(index.dimension, index.metric, index.count, index.params, tree)
    assert any(said in fault for fault in broken.faults())


def test_faults_finds_a_missing_leaf() -> None:
    index = _built()
    tree = index.tree._replace(leaves=index.tree.leaves[:-1])

    broken = KdTreeIndex(index.dimension, index.metric, index.count, index.params, tree)

    assert any("do not hold 300 points" in fault for fault in broken.faults())

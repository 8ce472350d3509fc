"""Snapshot folders come and go while somebody looks at them."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from pergamum.engine.snapshots import snapshot_bytes


def test_the_bytes_of_snapshots_are_counted(tmp_path: Path) -> None:
    for name, size in {"1": 10, "2": 5}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "codes").write_bytes(bytes(size))

    assert snapshot_bytes(tmp_path) == 15
    assert snapshot_bytes(None) == 0


def test_a_snapshot_deleted_while_the_bytes_are_counted_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = tmp_path / "index"
    for name in ("1", "2"):
        (index / name).mkdir(parents=True)
        (index / name / "codes").write_bytes(bytes(10))
    scan = os.scandir

    def scandir(path: str) -> AbstractContextManager[Iterator[os.DirEntry[str]]]:
        if Path(path).name == "1":
            (index / "1").rename(tmp_path / "gone")
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)

    assert snapshot_bytes(index) == 10

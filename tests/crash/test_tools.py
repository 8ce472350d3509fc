"""The crash tests, tested on a small database: without a flaw it passes, each flaw is noticed."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.crash.alone import ALONE, record_alone
from tests.crash.faults import Plan, sweep
from tests.crash.helpers import quick_folder
from tests.crash.power_cuts import Task, Verdict, judge
from tests.crash.recording import Call, Event, Kind, Recorder, read_log
from tests.crash.replay import Disk

pytestmark = pytest.mark.xdist_group("crash")


def verdict_on(subject: str, *switched_off: str) -> Verdict:
    with TemporaryDirectory(dir=quick_folder()) as folder:
        recorder = Recorder(Path(folder, "data"), Path(folder, "log"), switched_off)
        record_alone(recorder, subject)
        return judge(Task(str(recorder.log), (ALONE,), 200, subject=subject))


def test_the_recorder_sees_all_that_sqlite_writes(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "data", tmp_path / "log")
    record_alone(recorder, "toy")
    disk = Disk()

    for event in read_log(recorder.log):
        disk.follow(event)

    assert disk.differences(recorder.root) == []


def test_a_database_that_syncs_in_order_loses_nothing() -> None:
    assert verdict_on("toy").broken == []


@pytest.mark.parametrize("switched_off", ["files", "vectors", "wal", "folders"])
def test_a_database_without_syncs_is_noticed(switched_off: str) -> None:
    assert verdict_on("toy", switched_off).broken


@pytest.mark.parametrize("flaw", ["late_vectors", "two_commits"])
def test_a_flaw_in_the_order_of_writes_is_noticed(flaw: str) -> None:
    assert verdict_on(f"toy:{flaw}").broken


def test_believing_the_page_cache_after_a_failed_sync_is_noticed() -> None:
    figures = sweep(Plan("toy:believes", length=60, cut=8, calls=(Call.SYNC,)))

    assert figures.broken


def opened(handle: int, path: str, flags: int) -> Event:
    return Event(Kind.OPEN, 0, flags, 1, handle, 0, path.encode())


def effect(kind: Kind, handle: int, offset: int = 0, payload: bytes = b"", error: int = 0) -> Event:
    return Event(kind, error, 0, 1, handle, offset, payload)


def synced(handle: int, ticket: int, error: int = 0) -> list[Event]:
    return [effect(Kind.SYNC_BEGIN, handle, ticket), effect(Kind.SYNC_END, handle, ticket, error=error)]


def images_after(events: list[Event], folder: Path, count: int = 300) -> set[bytes | None]:
    """Return what the file `f` may hold after a power cut at the end; None when its name is gone."""
    disk = Disk()
    for event in events:
        disk.follow(event)
    found: set[bytes | None] = set()
    for seed in range(count):
        disk.write_image(folder / str(seed), seed)
        path = folder / str(seed) / "f"
        found.add(path.read_bytes() if path.exists() else None)
    return found


A_FILE = [opened(1, "f", 1), opened(2, "", 4), *synced(2, 1)]


def test_synced_bytes_are_always_there(tmp_path: Path) -> None:
    events = [*A_FILE, effect(Kind.WRITE, 1, 0, b"a" * 1_024), *synced(1, 2)]

    assert images_after(events, tmp_path) == {b"a" * 1_024}


def test_unsynced_bytes_are_kept_dropped_or_torn_by_sector(tmp_path: Path) -> None:
    events = [*A_FILE, effect(Kind.WRITE, 1, 0, b"a" * 1_024), *synced(1, 2), effect(Kind.WRITE, 1, 0, b"b" * 1_024)]

    found = images_after(events, tmp_path)

    assert found == {first * 512 + second * 512 for first in (b"a", b"b") for second in (b"a", b"b")}


def test_a_name_needs_the_sync_of_its_folder(tmp_path: Path) -> None:
    events = [opened(1, "f", 1), effect(Kind.WRITE, 1, 0, b"a"), *synced(1, 1)]

    assert images_after(events, tmp_path) == {b"a", None}


def test_a_sync_after_a_failed_one_does_not_bring_the_bytes_back(tmp_path: Path) -> None:
    events = [*A_FILE, effect(Kind.WRITE, 1, 0, b"a" * 512), *synced(1, 2, error=5), *synced(1, 3)]

    held = {bytes_after(events, seed, tmp_path) for seed in range(20)}

    assert b"" in held


def bytes_after(events: list[Event], seed: int, folder: Path) -> bytes:
    disk = Disk(seed)
    for event in events:
        disk.follow(event)
    disk.write_image(folder / str(seed), seed)
    return (folder / str(seed) / "f").read_bytes()


def test_a_write_after_a_failed_sync_takes_its_page_along(tmp_path: Path) -> None:
    lost = [effect(Kind.WRITE, 1, 0, b"a" * 4_096), *synced(1, 2, error=5)]
    events = [*A_FILE, *lost, effect(Kind.WRITE, 1, 100, b"b"), *synced(1, 3)]

    assert images_after(events, tmp_path) == {b"a" * 100 + b"b" + b"a" * 3_995}

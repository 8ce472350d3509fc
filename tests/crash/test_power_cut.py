"""Power cuts during a run of the real server: every image opens, holds what was acknowledged, and half of nothing."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.crash.alone import ALONE, record_alone
from tests.crash.helpers import quick_folder
from tests.crash.power_cuts import Lane, Task, judge
from tests.crash.recording import Kind, Recorder, read_log
from tests.crash.replay import Disk
from tests.crash.servers import record_server_run
from tests.crash.workload import DeleteDocument, DeleteLibrary, PutDocuments

POWER_CUTS = 2_000
LANES = (Lane("a", 70, 1), Lane("b", 70, 2), Lane("c", 70, 3))

pytestmark = pytest.mark.xdist_group("crash")


@pytest.fixture(scope="module")
def run() -> Iterator[Recorder]:
    """Three clients write at once; the server is stopped and started again twice in between."""
    with TemporaryDirectory(dir=quick_folder()) as folder:
        recorder = Recorder(Path(folder, "data"), Path(folder, "log"))
        record_server_run(recorder, LANES, starts=3)
        yield recorder


def test_the_recorder_missed_nothing(run: Recorder) -> None:
    disk = Disk()

    for event in read_log(run.log):
        disk.follow(event)

    assert disk.differences(run.root) == []


def test_the_run_creates_replaces_deletes_and_saves_index_snapshots(run: Recorder) -> None:
    commands = [command for lane in LANES for command in lane.commands()]
    put = [id for command in commands if isinstance(command, PutDocuments) for id in command.documents]
    opened = {event.text.split("/", 3)[-1] for event in read_log(run.log) if event.kind is Kind.OPEN}

    assert len(set(put)) < len(put), "no document is replaced"
    assert {DeleteDocument, DeleteLibrary} <= {type(command) for command in commands}
    assert any(name.startswith("index/") and name.endswith("manifest.json") for name in opened)


def test_every_image_holds_what_was_acknowledged_and_half_of_nothing(run: Recorder) -> None:
    verdict = judge(Task(str(run.log), LANES, POWER_CUTS))

    assert verdict.images == POWER_CUTS
    assert verdict.broken == []


@pytest.mark.parametrize("switched_off", ["files", "vectors", "wal", "folders"])
def test_it_is_noticed_when_syncs_are_switched_off(switched_off: str) -> None:
    """All of fdatasync, that of vectors, that of SQLite's log (what synchronous=FULL adds), fsync of folders."""
    with TemporaryDirectory(dir=quick_folder()) as folder:
        recorder = Recorder(Path(folder, "data"), Path(folder, "log"), (switched_off,))
        record_alone(recorder, "engine")

        verdict = judge(Task(str(recorder.log), (ALONE,), 100))

    assert len(verdict.broken) > verdict.images // 10

"""kill -9 of a live server under concurrent writes, again and again: no write is lost, none is halved."""

import os
import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.crash.helpers import quick_folder
from tests.crash.servers import Nursery, Writer, find_again, kill_under_load
from tests.crash.workload import script
from tests.support import keywords

KILLS = 50
LANES = 4


pytestmark = pytest.mark.xdist_group("crash")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A killed process loses nothing that it gave to the kernel, whatever the disk: memory is as good."""
    with TemporaryDirectory(dir=quick_folder()) as name:
        yield Path(name)


def test_every_acknowledged_write_is_found_after_each_kill(folder: Path) -> None:
    writers = [Writer(f"lane{lane}", script(f"lane{lane}", 14 * KILLS, seed=lane)) for lane in range(LANES)]
    rng = random.Random(7)

    with Nursery(folder / "data") as nursery:
        for _ in range(KILLS):
            child, url = nursery.start()
            find_again(writers, url)
            kill_under_load(writers, child, url, rng)
        child, url = nursery.start()
        find_again(writers, url)
        os.kill(child, 9)

    assert keywords.faults(folder / "data") == []
    assert min(writer.next for writer in writers) > KILLS // 2, "the writers hardly wrote"

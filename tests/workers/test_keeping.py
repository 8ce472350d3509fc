"""When a worker that has ended is started again."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pergamum.cli.workers import FIRST_PAUSE, LONGEST_PAUSE, STEADY_SECONDS, Workers
from pergamum.settings import Settings

Kept = Callable[[list[float]], list[float]]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    """Workers that are not started; the server was told its folder otherwise than by the environment."""
    monkeypatch.setenv("PERGAMUM_DATA_DIR", "elsewhere")
    monkeypatch.chdir(tmp_path)
    with socket.socket() as listener, socket.socket(socket.AF_UNIX) as link:
        yield Workers(Settings(data_dir=Path("data"), workers=1), listener, link)


@pytest.fixture
def kept(made: Workers, monkeypatch: pytest.MonkeyPatch) -> Kept:
    """Return the pauses after lives of so many seconds."""

    def pauses(lives: list[float]) -> list[float]:
        now, left, waited = [0.0], list(lives), list[float]()

        def run(_number: int) -> int:
            now[0] += left.pop(0)
            return 1

        def wait(seconds: float) -> bool:
            waited.append(seconds)
            return not left

        monkeypatch.setattr("pergamum.cli.workers.time.monotonic", lambda: now[0])
        monkeypatch.setattr(made, "_run", run)
        monkeypatch.setattr(made._stopping, "wait", wait)
        made._keep(1)
        return waited

    return pauses


def test_pauses_double_up_to_the_longest(kept: Kept) -> None:
    waited = kept([0.1] * 10)

    assert waited == [min(FIRST_PAUSE * 2**turn, LONGEST_PAUSE) for turn in range(10)]
    assert waited[-1] == LONGEST_PAUSE


def test_after_a_long_life_they_begin_anew(kept: Kept) -> None:
    assert kept([1, 1, STEADY_SECONDS + 1, 1]) == [FIRST_PAUSE, 2 * FIRST_PAUSE, FIRST_PAUSE, 2 * FIRST_PAUSE]


def test_one_that_ends_because_all_end_is_not_started_again(made: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    lives: list[int] = []

    def run(number: int) -> int:
        lives.append(number)
        made.stop()
        return 0

    monkeypatch.setattr(made, "_run", run)
    made._keep(1)

    assert lives == [1]


def test_they_read_the_folder_that_the_server_serves(made: Workers, tmp_path: Path) -> None:
    assert made._environment["PERGAMUM_DATA_DIR"] == str(tmp_path / "data")

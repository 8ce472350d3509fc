"""The tour runs to its end by itself and by keys, shows the code that it runs, and leaves nothing behind."""

import io
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from pergamum.cli.demo import told_to_end
from pergamum.cli.demo_acts import your_own
from pergamum.cli.demo_code import many, opened
from pergamum.cli.demo_stage import Left, Pace, Stage, code_of
from pergamum.cli.main import app
from pergamum.client import Pergamum, local
from pergamum.samples import WORDNET, WORDNET_LICENCE, wordnet, wordnet_documents

ASKED = "any key goes on"


def stage(pace: Pace, terminal: bool = False) -> tuple[Stage, io.StringIO]:
    """A stage, and what appears on it."""
    shown = io.StringIO()
    return Stage(Console(file=shown, width=80, force_terminal=terminal, highlight=False), pace), shown


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What the tour printed without a terminal, and the folder that it may have used."""
    folder = tmp_path_factory.mktemp("memory")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "MEMORY", folder)
        done = CliRunner().invoke(app, ["demo"], env={"COLUMNS": "120"})
    assert done.exit_code == 0, done.output
    return done.stdout, folder


def test_every_part_of_the_tour_is_computed(tour: tuple[str, Path]) -> None:
    printed, _ = tour

    assert "5,000 definitions embedded and stored" in printed
    for word in ("nepotism", "philatelist", "cartographer", "stethoscope", "homesickness", "palindrome", "dart"):
        assert word in printed
    assert "verb.communication" in printed
    assert "high blood pressure" in printed
    assert "hnsw over 5,000 vectors" in printed
    assert "exact_scan" in printed
    assert "slower" in printed


def test_the_share_found_is_measured(tour: tuple[str, Path]) -> None:
    printed, _ = tour

    line = next(line for line in printed.splitlines() if line.strip().startswith("recall=0.9  "))

    assert 80.0 <= float(line.split()[1].removesuffix("%")) <= 100.0


def test_the_code_of_every_step_is_shown(tour: tuple[str, Path]) -> None:
    printed, _ = tour

    for line in code_of(many, "answers").splitlines():
        assert line in printed


def test_nothing_is_left_behind(tour: tuple[str, Path]) -> None:
    _, folder = tour

    assert list(folder.iterdir()) == []


def test_the_code_shown_is_the_body_without_its_docstring() -> None:
    def example(given: int) -> int:
        """Not shown."""
        doubled = given * 2
        return max(
            doubled,
            given,
        )

    assert code_of(opened, "client") == "client = Pergamum.local()"
    assert code_of(example, "most") == "doubled = given * 2\nmost = max(\n    doubled,\n    given,\n)"
    assert code_of(example, "x").splitlines()[0] == "doubled = given * 2"


def test_a_name_is_not_said_twice() -> None:
    def example(given: int) -> list[int]:
        numbers = [given]
        numbers.append(2)
        return numbers

    assert code_of(example, "numbers") == "numbers = [given]\nnumbers.append(2)"


def test_what_is_shown_is_what_is_run() -> None:
    on_stage, shown = stage(Pace())

    def example(given: int) -> int:
        return given + 1

    assert on_stage.run(example, 41, "found") == 42
    assert on_stage.seconds > 0
    assert shown.getvalue().strip() == "found = given + 1"


def test_typing_shows_the_same_code() -> None:
    at_once, typed = stage(Pace()), stage(Pace(rest=1e-6))

    for on_stage, _ in (at_once, typed):
        on_stage.run(example_code, "text")

    lines = [[line.rstrip() for line in shown.getvalue().splitlines()] for _, shown in (at_once, typed)]
    assert lines[0] == lines[1]


def example_code(given: str) -> dict[str, str]:
    return {
        "a string": given,
        "another": "text",
    }


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], object]]:
    """Presses keys on a terminal that stands in for stdin."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        yield lambda keys: os.write(ours, keys)
    os.close(ours)


@pytest.mark.parametrize("key", [b" ", b"x", b"\r", b"\x1b[B"])
def test_any_key_goes_on(keyboard: Callable[[bytes], object], key: bytes) -> None:
    on_stage, shown = stage(Pace(by_key=True))
    keyboard(key)

    on_stage.show("a result")

    assert "a result" in shown.getvalue()
    assert ASKED in shown.getvalue()


@pytest.mark.parametrize("key", [b"q", b"Q", b"\x1b"])
def test_some_keys_end_the_tour(keyboard: Callable[[bytes], object], key: bytes) -> None:
    on_stage, _ = stage(Pace(by_key=True))
    keyboard(key)

    with pytest.raises(Left):
        on_stage.show("a result")


def test_who_watches_may_look_for_words_of_their_own(
    client: Pergamum, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = client.libraries.create(name=name)
    words.documents.add_many(list(wordnet_documents())[:50])
    typed = iter(["the action of accomplishing something", "  ", "never asked for"])
    monkeypatch.setattr("builtins.input", lambda *_: next(typed))
    on_stage, shown = stage(Pace(by_key=True))

    your_own(on_stage, words)

    assert "accomplishment" in shown.getvalue()
    assert next(typed) == "never asked for"


def test_without_a_person_nothing_is_asked(client: Pergamum) -> None:
    on_stage, shown = stage(Pace())

    your_own(on_stage, client.library("not asked"))

    assert "pergamum serve" in shown.getvalue()


def test_the_tour_may_be_left_on_a_real_terminal() -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-m", "pergamum", "demo"], stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while ASKED.encode() not in shown:
        shown += os.read(ours, 65_536)

    os.write(ours, b"q")

    assert process.wait(60) == 0
    os.close(ours)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_tour_as_ctrl_c_does(number: signal.Signals) -> None:
    before = signal.getsignal(number)

    with pytest.raises(KeyboardInterrupt), told_to_end():
        signal.raise_signal(number)

    assert signal.getsignal(number) is before


@pytest.mark.parametrize("wrong", ["-1", "61", "slow"])
def test_a_wrong_pause_is_exit_code_2(wrong: str) -> None:
    assert CliRunner().invoke(app, ["demo", "--pause", wrong]).exit_code == 2


def test_the_sample_is_small_complete_and_has_its_licence_beside_it() -> None:
    assert WORDNET.stat().st_size < 400 << 10
    assert "Princeton University" in WORDNET_LICENCE.read_text()
    definitions = list(wordnet())
    assert len({definition["id"] for definition in definitions}) == 5_000
    assert all(definition["text"] and definition["title"] for definition in definitions)

"""What examples/ shows works, as README and `run.sh --demo` call it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Ended, Shell
from tests.support.server import RunningServer

EXAMPLES = Path(__file__).parents[2] / "examples"
SAMPLE = EXAMPLES / "wordnet-sample.jsonl.gz"


def run(url: str, *command: str | Path) -> Ended:
    environment = os.environ | {"PERGAMUM_URL": url}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
    return Ended(done.returncode, done.stdout, done.stderr)


def test_the_sample_is_imported_once_and_words_are_found_by_meaning(server: RunningServer, shell: Shell) -> None:
    command = ("import", SAMPLE, "--library", "wordnet", "--create")

    first, second = shell(*command), shell(*command)
    found = shell("search", "wordnet", "a word for fear of heights", "-k", "1")
    described = run(
        server.base_url, sys.executable, EXAMPLES / "reverse_dictionary.py", "someone", "who", "collects", "stamps"
    )

    assert first.out.startswith("5,000 documents imported into wordnet")
    assert "already" in second.out
    assert "acrophobia" in found.out
    assert "philatelist" in described.out.splitlines()[0]


def test_the_sample_is_small_and_has_its_licence_beside_it() -> None:
    assert SAMPLE.stat().st_size < 400 << 10
    assert "Princeton University" in (EXAMPLES / "wordnet-sample.LICENSE").read_text()


def test_the_reverse_dictionary_says_where_the_words_come_from() -> None:
    done = run("http://127.0.0.1:9", sys.executable, EXAMPLES / "reverse_dictionary.py")

    assert done.code == 1
    assert "./run.sh --demo" in done.err


def test_the_quick_start_runs_twice(server: RunningServer) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")

    for _ in range(2):
        done = run(server.base_url, "bash", EXAMPLES / "quickstart.sh")

        assert done.code == 0, done.err
        assert "The moon pulls the sea" in done.out

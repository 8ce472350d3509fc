"""The example of a move runs, offline, and finds what Chroma found."""

import subprocess
import sys

from tests.support.source import ROOT


def test_the_example_finds_the_same_before_and_after() -> None:
    command = [sys.executable, str(ROOT / "examples" / "migrate_from_chroma.py")]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == 0, done.stderr
    first, _, before, after, old = done.stdout.splitlines()
    assert first == "5 of 5 rows moved"
    assert before.removeprefix("  Chroma:").strip() == after.removeprefix("  Pergamum:").strip() == "moon, tide"
    assert "tide mill" in old

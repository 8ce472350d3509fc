"""The secret scan bites: it passes a clean file and refuses one with a key."""

import random
import string
import subprocess
from pathlib import Path

import pytest

from tests.support.source import ROOT

# Made here, so that no file of the project holds anything that looks like a key.
WORD = "".join(random.Random(4).choices(string.ascii_letters + string.digits, k=40))


def _scan(file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ROOT / "scripts" / "scan-secrets", file], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "line", [f"we used {WORD} once", f"api_key = '{WORD}'", f"PASSWORD={WORD[:14]}", f"AWS = 'AKIA{WORD[:16].upper()}'"]
)
def test_the_scan_refuses_a_file_with_a_key(tmp_path: Path, line: str) -> None:
    leaking = tmp_path / "notes.txt"
    leaking.write_text(line + "\n")

    assert _scan(leaking).returncode == 1


def test_the_scan_passes_a_clean_file(tmp_path: Path) -> None:
    clean = tmp_path / "notes.txt"
    clean.write_text("The key is read from the environment.\n")

    assert _scan(clean).returncode == 0

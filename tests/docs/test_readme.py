"""The two sessions that README shows are run here as they stand there, against a real server."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.server import running_server
from tests.support.source import ROOT

# A refusal must end the session here, whatever options README's curl has.
STRICT = 'set -euo pipefail\ncurl() { command curl --fail-with-body "$@"; }\n'


def _section(heading: str, language: str) -> str:
    """The code blocks of one language under one heading of README.md, one after another."""
    text = (ROOT / "README.md").read_text()
    found = re.search(rf"^## {heading}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"README.md has no section '## {heading}'"
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", found[1], re.MULTILINE | re.DOTALL)
    assert blocks, f"README.md shows no {language} under '## {heading}'"
    return "\n".join(blocks)


def _run(command: Sequence[str], base_url: str, folder: Path) -> str:
    """Run in `folder` with README's address replaced; the code must succeed. Return what it printed."""
    *start, code = command
    environment = os.environ | {"PERGAMUM_URL": base_url}
    code = re.sub(r"http://(127\.0\.0\.1|localhost):8000", base_url, code)
    done = subprocess.run([*start, code], capture_output=True, text=True, cwd=folder, env=environment, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_curl_session_runs(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    session = _section("With curl", "bash")

    with running_server(tmp_path / "data") as server:
        printed = _run(["bash", "-c", STRICT + session], server.base_url, tmp_path)

    assert '"hits"' in printed


def test_the_python_session_runs(tmp_path: Path) -> None:
    session = _section("With Python", "python")

    with running_server(tmp_path / "data") as server:
        printed = _run([sys.executable, "-c", session], server.base_url, tmp_path)

    assert printed.strip()

"""The reference of the command line, as Typer itself writes it."""

import os
import subprocess
import sys
from typing import Final

MARK: Final = "<!-- command line: written here when the site is built -->"
_PROGRAM: Final = "pergamum.cli.main"


def reference() -> str:
    """Return a heading, the usage and the options of every command, as Markdown."""
    written = subprocess.run(
        [sys.executable, "-m", "typer", _PROGRAM, "utils", "docs", "--name", "pergamum"],
        env=os.environ | {"COLUMNS": "120"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    _, _, commands = written.partition("\n## ")  # what comes before is the list of them
    return f"## {commands}".replace("$ pergamum", "pergamum").replace("```console", "```bash")

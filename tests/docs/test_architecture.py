"""docs/ARCHITECTURE.md introduces every folder of the source by the question it answers."""

import re

from tests.support.source import ROOT, SOURCE

TEXT = (ROOT / "docs" / "ARCHITECTURE.md").read_text()


def _introduces(line: str, folder: str) -> bool:
    """Whether a line names the folder, in backticks or as a link, and asks a question."""
    return "?" in line and re.search(rf"[`\[]{re.escape(folder)}/[`\]]", line) is not None


def test_every_folder_is_introduced_by_a_question() -> None:
    folders = sorted(path.parent.name for path in SOURCE.glob("*/__init__.py"))

    missing = [name for name in folders if not any(_introduces(line, name) for line in TEXT.splitlines())]

    assert folders
    assert missing == []


def test_every_inner_folder_is_mentioned() -> None:
    folders = sorted(path.parent.relative_to(SOURCE).as_posix() for path in SOURCE.glob("*/*/__init__.py"))

    assert [name for name in folders if name not in TEXT and f"`{name.rpartition('/')[2]}/`" not in TEXT] == []

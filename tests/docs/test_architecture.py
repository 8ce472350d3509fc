"""docs/ARCHITECTURE.md introduces every folder of the source by the question it answers."""

from tests.support.source import ROOT, SOURCE

TEXT = ROOT / "docs" / "ARCHITECTURE.md"


def test_every_folder_is_introduced_by_a_question() -> None:
    lines = TEXT.read_text().splitlines()
    folders = sorted(path.parent.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*/__init__.py"))

    missing = [name for name in folders if not any(f"`{name}/`" in line and "?" in line for line in lines)]

    assert folders
    assert missing == [], f"{TEXT.name}: each needs a line with `folder/` (in backticks) and a question"


def test_no_folder_is_introduced_that_is_not_there() -> None:
    lines = [line for line in TEXT.read_text().splitlines() if "?" in line and line.lstrip("|-*# ").startswith("`")]
    named = [line.split("`")[1] for line in lines if line.split("`")[1].endswith("/")]

    assert [name for name in named if not (SOURCE / name).is_dir() and not (ROOT / name).is_dir()] == []

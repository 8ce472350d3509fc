"""The reader of pages notices what is wrong: it compares, runs what is hidden, and keeps names from block to block."""

from pathlib import Path

import pytest

from tests.support.code_blocks import blocks
from tests.support.page_session import PageSession


def _follow(folder: Path, page: str) -> None:
    path = folder / "page.md"
    path.write_text(page)
    session = PageSession("http://127.0.0.1:1", folder)
    for block in blocks(path):
        session.follow(block)


def test_names_and_what_is_printed_go_from_block_to_block(tmp_path: Path) -> None:
    page = "<!-- run before:\nx = 2\n-->\n```python\nprint(x)\n```\n\n<!-- prints -->\n```text\n2\n```\n"

    _follow(tmp_path, page)

    with pytest.raises(AssertionError, match=r"page\.md:10: it printed"):
        _follow(tmp_path, page.replace("print(x)", "print(x + 1)"))


def test_an_example_is_compared(tmp_path: Path) -> None:
    _follow(tmp_path, "```python\n>>> 1 + 1\n2\n```\n")

    with pytest.raises(AssertionError, match="Expected"):
        _follow(tmp_path, "```python\n>>> 1 + 1\n3\n```\n")


def test_a_command_must_succeed(tmp_path: Path) -> None:
    _follow(tmp_path, "```bash\ntrue | cat\n```\n")

    with pytest.raises(AssertionError):
        _follow(tmp_path, "```bash\nfalse | cat\n```\n")


def test_json_must_be_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Expecting"):
        _follow(tmp_path, '```json\n{"k": }\n```\n')


def test_a_language_that_nobody_can_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="'fortran'"):
        _follow(tmp_path, "```fortran\nSTOP\n```\n")


def test_a_comment_belongs_to_the_block_right_behind_it(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(
        "<!-- not run: it never ends -->\n```bash\nyes\n```\n\n<!-- not run -->\n\nText.\n\n```bash\ntrue\n```\n"
    )

    first, second = blocks(path)

    assert (first.said, first.about, first.line) == ("not run", "it never ends", 3)
    assert second.said == ""

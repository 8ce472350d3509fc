"""The fenced code blocks of a page, with what the comment before each says about it.

<!-- not run: it installs packages -->      shown only; the reason must be given
<!-- prints -->                             what the block before printed, compared line by line
<!-- sent: POST /v1/libraries -->           JSON that is sent there; `-> 422` behind it says which status is expected
<!-- answered -->                           JSON that is a part of the last answer
<!-- run before: ... -->                    Python that a reader does not see
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.support.source import ROOT

DRAWN = "text"
_COMMENT = re.compile(r"\s*<!--\s*(.*?)\s*-->\s*", re.DOTALL)
_SAID = re.compile(r"(not run|prints|sent|answered|run before)(?::\s*(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A code block. `line` counts from 1 and is that of its first line of code; `said` is the comment's first word."""

    page: Path
    line: int
    language: str
    code: str
    said: str = ""
    about: str = ""

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return f"{os.path.relpath(self.page, ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page in order, hidden Python among them."""
    tokens = [token for token in MarkdownIt("commonmark").parse(page.read_text()) if token.type in _KINDS]
    for before, token in pairwise([None, *tokens]):
        said, about = _comment(token)
        if token and said == "run before":
            yield Block(page, _line(token), "python", about, said)
        if token and token.type == "fence":
            said, about = _comment(before) if before and before.type == "html_block" else ("", "")
            hidden = said == "run before"
            yield Block(page, _line(token) + 1, token.info.strip(), token.content, *(() if hidden else (said, about)))


_KINDS = {"fence", "html_block", "inline"}


def _line(token: Token) -> int:
    return token.map[0] + 1 if token.map else 0


def _comment(token: Token | None) -> tuple[str, str]:
    """Return what a comment says of the block behind it, nothing for any other token."""
    comment = _COMMENT.fullmatch(token.content) if token and token.type == "html_block" else None
    said = _SAID.fullmatch(comment[1]) if comment else None
    return (said[1], said[2] or "") if said else ("", "")

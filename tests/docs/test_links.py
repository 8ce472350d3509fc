"""Every link of the documentation to a place in this repository leads somewhere: the file, and the heading in it."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.support.source import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:")


def _tokens(page: Path) -> Iterator[Token]:
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text()):
        yield token
        yield from token.children or ()


def _links(page: Path) -> Iterator[str]:
    for token in _tokens(page):
        target = token.attrGet("href") or token.attrGet("src")
        if target and not ELSEWHERE.match(str(target)):
            yield unquote(str(target))


def _anchors(page: Path) -> set[str]:
    tokens = MarkdownIt("commonmark").parse(page.read_text())
    titles = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not anchor or target.suffix != ".md" or anchor in _anchors(target)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = [link for link in _links(page) if not _leads_somewhere(page, link)]

    assert broken == []


def test_a_broken_link_would_be_seen() -> None:
    page = ROOT / "README.md"

    assert _leads_somewhere(page, "LICENSE")
    assert not _leads_somewhere(page, "no-such-file.md")
    assert not _leads_somewhere(page, "README.md#no-such-heading")

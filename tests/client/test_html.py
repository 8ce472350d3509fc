"""Answers as notebooks and terminals show them."""

import asyncio
from html.parser import HTMLParser
from typing import Protocol
from uuid import uuid4

from pergamum.client import AsyncPergamum, Library, Pergamum
from pergamum.client.results import LibraryInfo
from tests.support.results import HOSTILE, result


class Shown(Protocol):
    """What a notebook can show."""

    def _repr_html_(self) -> str | None: ...


class _Safe(HTMLParser):
    """Collects the tags and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.text = set[str](), set[str](), ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_hostile_texts_are_shown_and_never_run(books: Library, client: Pergamum) -> None:
    other = client.libraries.create(name=f"!{uuid4().hex}", description=HOSTILE)
    shown: list[Shown] = [
        books.search(text="moon", mode="hybrid"),
        books.search(text="moon", select=["metadata", "text", "document.title"]),
        books.documents.list(texts=True),
        books.chunks.list(),
        books.search_pages(text="moon"),
        books.documents.facets({"field": HOSTILE, "top": 3}),
        other,
        client.libraries.list(),
        result(
            {
                "chunk_id": HOSTILE,
                "document_id": HOSTILE,
                "text": HOSTILE,
                "highlights": [(0, 3)],
                "metadata": {HOSTILE: [HOSTILE]},
            }
        ),
    ]

    for one in shown:
        page = one._repr_html_()
        assert page is not None
        parsed = _Safe(page)
        assert parsed.tags <= {"div", "p", "table", "thead", "tbody", "tr", "th", "td", "mark", "br"}
        assert parsed.attributes <= {"class"}
        assert HOSTILE[:20] in parsed.text


def test_highlights_are_marked_and_long_texts_cut() -> None:
    text = "The moon & the sea. " + "x" * 1_000
    page = result({"text": text, "highlights": [(4, 8), (15, 18), (900, 910)]})._repr_html_()

    assert "The <mark>moon</mark> &amp; the <mark>sea</mark>. xx" in page
    assert page.count("<mark>") == 2
    assert "x…" in page
    assert len(page) < 1_000


def test_long_answers_are_shown_by_their_beginning(books: Library) -> None:
    assert "80 more" in result(*[{} for _ in range(100)])._repr_html_()
    assert "more follow" in (books.documents.list(page_size=1)._repr_html_() or "")
    assert "more follow" not in (books.documents.list()._repr_html_() or "")


def test_the_index_and_libraries_are_shown(books: Library, client: Pergamum) -> None:
    assert "brute_force" in books.index.status()._repr_html_()
    assert "books to show" in (client.library("books to show")._repr_html_() or "")
    assert repr(client.library("books to show")) == "Library('books to show')"
    assert isinstance(books.info(), LibraryInfo)


def test_terminals_show_short_texts(books: Library) -> None:
    found = books.search(text="moon", select=["vector"])

    assert repr(found) == str(found) == f"SearchResult(3 hits, exact, position={found.position})"
    assert len(repr(found[0])) < 300
    assert "None" not in repr(found[0])
    assert repr(books.documents.list()) == "Pages(documents)"
    assert repr(books.index.status()) == "IndexStatus(kind='auto', active='brute_force', slots=3, tail=0)"
    assert repr(books.documents.facets({"field": "year", "top": 1})).startswith("Facets(year; of 3")


def test_nothing_is_asked_while_an_asynchronous_answer_is_shown() -> None:
    async def shown() -> tuple[str | None, str | None]:
        async with AsyncPergamum("http://127.0.0.1:9") as client:
            library = client.library("nobody")
            return library._repr_html_(), library.documents.list()._repr_html_()

    assert asyncio.run(shown()) == (None, None)

"""The documentation site builds without a warning, is complete, and loads nothing from anywhere else."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

import pergamum
import pergamum.client
from pergamum.cli.main import app
from scripts.docs_site.rest_reference import described, routes
from tests.support.source import ROOT

pytestmark = pytest.mark.xdist_group("site")  # so that it is built once

NOBODY = "http://127.0.0.1:9"
"""A proxy that is not there: whoever asks the network fails."""
LOADED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "link": "href",
    "form": "action",
    "object": "data",
}
ELSEWHERE = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//")


class Loads(HTMLParser):
    """Collects what a page makes a browser load, and the ids of its parts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the address that the tag loads, and its id."""
        for name, value in attrs:
            if value and name == LOADED.get(tag):
                self.addresses.append(value)
            if value and name == "id":
                self.ids.add(value)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built once, strictly."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [ROOT / "scripts" / "build-docs", folder],
        env=os.environ | {"PYTHON": sys.executable, "HTTP_PROXY": NOBODY, "HTTPS_PROXY": NOBODY},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Documentation built" in done.stderr, "mkdocs counts only the warnings that it shows"
    return folder


def _pages(site: Path) -> Iterator[tuple[Path, str]]:
    for page in site.rglob("*.html"):
        yield page, page.read_text()


def test_every_page_of_docs_is_in_the_site(site: Path) -> None:
    pages = [path.relative_to(ROOT / "docs").with_suffix("") for path in ROOT.glob("docs/**/*.md")]

    missing = [page for page in pages if page.name != "index" and not (site / page / "index.html").is_file()]

    assert len(pages) > 30
    assert missing == []
    assert (site / "index.html").is_file()


def test_every_page_of_docs_is_in_the_navigation(site: Path) -> None:
    start = Loads((site / "index.html").read_text())
    html = (site / "index.html").read_text()
    pages = [path.relative_to(ROOT / "docs").with_suffix("") for path in ROOT.glob("docs/**/*.md")]

    assert start.ids
    assert [page for page in pages if page.name != "index" and f'href="{page}/"' not in html] == []


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    loaded = {(page.name, address) for page, html in _pages(site) for address in Loads(html).addresses}

    assert len(loaded) > 5
    assert {(page, address) for page, address in loaded if ELSEWHERE.match(address)} == set()


def test_the_browser_is_told_to_load_nothing_from_elsewhere(site: Path) -> None:
    assert [page for page, html in _pages(site) if "default-src 'self'" not in html] == []


def test_no_style_loads_anything_from_elsewhere(site: Path) -> None:
    styles = list(site.rglob("*.css"))
    told = [
        target for style in styles for target in re.findall(r"(?:url\(|@import)\s*[\"']?([^\"')]+)", style.read_text())
    ]

    assert styles
    assert [target for target in told if ELSEWHERE.match(target)] == []


def test_the_rest_reference_names_every_route_and_every_shape(site: Path) -> None:
    html = (site / "reference" / "rest" / "index.html").read_text()
    api = described()

    found = list(routes(api))
    assert len(found) > 30
    assert [f"{method} {path}" for method, path, _ in found if f">{method} {path}<" not in html] == []
    ids = Loads(html).ids
    assert [name for name in api["components"]["schemas"] if name.lower() not in ids] == []


def test_the_sdk_reference_names_every_public_name(site: Path) -> None:
    ids = Loads((site / "reference" / "sdk" / "index.html").read_text()).ids
    told = {id.rpartition(".")[2] for id in ids if id.startswith("pergamum.client.")}

    assert {*pergamum.__all__, *pergamum.client.__all__} - told == set()


def test_the_reference_of_the_command_line_has_every_command(site: Path) -> None:
    html = (site / "reference" / "cli" / "index.html").read_text()
    names = [command.name for command in app.registered_commands]

    assert "search" in names
    assert [name for name in names if f"<code>pergamum {name}</code>" not in html] == []


def test_the_source_that_is_linked_to_is_shown(site: Path) -> None:
    planner = (site / "source" / "src" / "pergamum" / "engine" / "planner.py" / "index.html").read_text()

    assert "class" in planner
    assert (site / "decisions" / "index.html").is_file()

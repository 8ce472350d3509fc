"""Every code block of README and docs runs as it stands there, page by page, against a real server."""

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.code_blocks import DRAWN, Block, blocks
from tests.support.page_session import PageSession, emptied
from tests.support.server import RunningServer
from tests.support.source import ROOT

pytestmark = pytest.mark.xdist_group("documented")  # they share a server, and heavy imports

PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
BLOCKS = {page: list(blocks(page)) for page in PAGES}


def is_run(block: Block) -> bool:
    """Whether something can go wrong with it: it is no drawing, and nobody said that it is not run."""
    return block.said == "prints" or (block.language != DRAWN and block.said != "not run")


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture
def session(server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PageSession]:
    """A reader of one page in a folder with the checkout's examples and sample, before a server that holds nothing."""
    emptied(server.base_url)
    for name in ("examples", "src"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERGAMUM_URL", server.base_url)
    with closing(PageSession(server.base_url, tmp_path)) as session:
        yield session


@pytest.mark.parametrize("page", [page for page in PAGES if any(map(is_run, BLOCKS[page]))], ids=_name)
def test_the_code_of_a_page_runs(page: Path, session: PageSession) -> None:
    if any(block.language == "bash" and "curl" in block.code for block in BLOCKS[page]) and not shutil.which("curl"):
        pytest.skip("curl is not installed")

    for block in filter(is_run, BLOCKS[page]):
        session.follow(block)


def test_every_block_says_its_language() -> None:
    assert [block.place for page in PAGES for block in BLOCKS[page] if not block.language] == []


def test_every_block_that_is_not_run_says_why() -> None:
    left_out = [block for page in PAGES for block in BLOCKS[page] if block.said == "not run"]

    for block in left_out:
        print(f"{block.place}: {block.about}")  # noqa: T201  # shown by pytest -rA
    print(Counter(block.language for page in PAGES for block in BLOCKS[page] if is_run(block)))  # noqa: T201
    assert [block.place for block in left_out if len(block.about.split()) < 2] == []


def test_most_blocks_run() -> None:
    found = Counter(is_run(block) for page in PAGES for block in BLOCKS[page] if block.language != DRAWN)

    assert found[True] > 10 * found[False]


def test_every_program_that_a_page_names_exists() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    modules = {Path(*name.split(".")).with_suffix(".py") for name in re.findall(r"python -m (benchmarks\.\w+)", text)}
    files = {Path(name) for name in re.findall(r"python ((?:benchmarks|scripts|examples)/[\w/]+\.py)", text)}

    assert len(modules) > 5
    assert [str(path) for path in modules | files if not (ROOT / path).is_file()] == []


BENCHMARK = re.compile(r"python -m benchmarks\.(\w+)([^`|#\n]*)")
"""A benchmark, and what is given to it."""


def _options_of(module: str) -> set[str]:
    """Return the options of a benchmark, and of those it imports, by their source: their peers may not be installed."""
    source = (ROOT / "benchmarks" / f"{module}.py").read_text()
    imported = re.findall(r"^from benchmarks\.(\w+) import", source, re.MULTILINE)
    return set(re.findall(r"add_argument\(\"(--[\w-]+)\"", source)).union(*map(_options_of, imported))


def test_every_option_that_a_page_gives_a_benchmark_is_one_of_it() -> None:
    places = [*PAGES, *sorted((ROOT / "benchmarks").glob("*.py"))]
    given = {found for place in places for found in BENCHMARK.findall(place.read_text())}
    options = {(module, option) for module, words in given for option in re.findall(r"--[\w-]+", words)}

    assert len(options) > 20
    assert [pair for pair in sorted(options) if pair[1] not in _options_of(pair[0])] == []

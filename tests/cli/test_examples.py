"""What examples/ shows works, as README and `run.sh --demo` call it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pergamum.samples import WORDNET
from tests.cli.conftest import Ended, Shell
from tests.support.server import RunningServer

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(url: str, *command: str | Path) -> Ended:
    environment = os.environ | {"PERGAMUM_URL": url}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
    return Ended(done.returncode, done.stdout, done.stderr)


def test_the_sample_is_imported_once_and_words_are_found_by_meaning(server: RunningServer, shell: Shell) -> None:
    command = ("import", WORDNET, "--library", "wordnet", "--create")

    first, second = shell(*command), shell(*command)
    found = shell("search", "wordnet", "a word for fear of heights", "-k", "1")
    described = run(
        server.base_url, sys.executable, EXAMPLES / "reverse_dictionary.py", "someone", "who", "collects", "stamps"
    )

    assert first.out.startswith("5,000 documents imported into wordnet")
    assert "already" in second.out
    assert "acrophobia" in found.out
    assert "philatelist" in described.out.splitlines()[0]


def test_the_reverse_dictionary_says_where_the_words_come_from() -> None:
    done = run("http://127.0.0.1:9", sys.executable, EXAMPLES / "reverse_dictionary.py")

    assert done.code == 1
    assert "./run.sh --demo" in done.err


def test_the_quick_start_runs_twice(server: RunningServer) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")

    for _ in range(2):
        done = run(server.base_url, "bash", EXAMPLES / "quickstart.sh")

        assert done.code == 0, done.err
        assert "The moon pulls the sea" in done.out


def test_a_folder_of_files_is_searched_by_meaning(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "stains.TXT").write_text("Red wine leaves the cloth when salt is put on it at once.")
    (tmp_path / "bulbs.md").write_text("Plant tulips in autumn, three times as deep as they are high.")
    (tmp_path / "ignored.bin").write_bytes(b"\x00\xff")
    (tmp_path / "empty.txt").write_text(" ")

    own = example("semantic_files.py", "--ask", "a bird that makes no noise")
    mine = example("semantic_files.py", str(tmp_path), "--ask", "cleaning a spilled drink")

    assert own.out.splitlines()[2].endswith("owls.md")
    assert mine.out.startswith("2 files read")
    assert mine.out.splitlines()[2].endswith("deep/stains.TXT")


def test_a_folder_that_is_read_again_is_replaced(server: RunningServer) -> None:
    first, second = (example("semantic_files.py", "--url", server.base_url) for _ in range(2))

    assert first.out == second.out
    assert "bread.txt" in first.out.splitlines()[2]


def test_words_like_others_are_recommended(server: RunningServer, shell: Shell) -> None:
    shell("import", WORDNET, "--library", "wordnet", "--create")

    local = example("recommendations.py")
    unlike = example("recommendations.py", "fear", "--unlike", "acrophobia", "--url", server.base_url)
    unknown = example("recommendations.py", "xyzzy", "--url", server.base_url)

    assert "instrument" in local.out
    assert len(unlike.out.splitlines()) == 5
    assert "acrophobia" not in unlike.out
    assert unknown.code == 1
    assert "xyzzy" in unknown.err


def test_products_are_found_by_vector_and_facts(server: RunningServer) -> None:
    local = example("product_search.py", "--category", "kitchen", "--below", "40")
    remote = example("product_search.py", "--category", "kitchen", "--below", "40", "--url", server.base_url)

    assert remote.out == local.out
    header, *found = local.out.splitlines()
    assert "of 3000 products" in header
    assert len(found) == 5
    assert all(float(line.split()[2]) < 40 for line in found)


@pytest.mark.parametrize("name", ["semantic_files.py", "recommendations.py", "product_search.py"])
def test_a_server_that_is_not_there_is_told(name: str) -> None:
    done = example(name, "--url", "http://127.0.0.1:9")

    assert done.code == 1
    assert "cannot reach" in done.err


def example(name: str, *arguments: str) -> Ended:
    """Run an example, which must not fail in a way of its own."""
    done = run("http://127.0.0.1:9", sys.executable, EXAMPLES / name, *arguments)
    assert "Traceback" not in done.err, done.err
    return done

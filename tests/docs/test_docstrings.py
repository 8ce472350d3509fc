"""The examples of docstrings run, and answer what they say: those of the client and the adapters against a server.

Each module has a library of its own, called `library`. It holds the document "1", unless examples of the module store
documents themselves, and knows the field `year`. Examples with `await` run on one event loop.
"""

import ast
import asyncio
import doctest
import io
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal, TypeAlias

import pytest
from pydantic import BaseModel, Field

from pergamum import AsyncPergamum, F, Pergamum
from pergamum.client import Library
from tests.support.page_session import emptied
from tests.support.server import RunningServer
from tests.support.source import SOURCE

# Moving in starts from a folder of another database; tests/moving makes those and runs it.
ELSEWHERE = {"moving"}
MODULES = [
    path
    for path in sorted(SOURCE.rglob("*.py"))
    if ">>> " in path.read_text() and not ELSEWHERE & set(path.relative_to(SOURCE).parts)
]
FIELDS = {"documents": {"year": {"type": "integer"}}}
NAMES = {"F": F, "BaseModel": BaseModel, "Field": Field, "Annotated": Annotated, "Literal": Literal}


pytestmark = pytest.mark.xdist_group("documented")  # they share a server, and heavy imports

Names: TypeAlias = dict[str, Any]


def _name(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")


def _tests(module: ModuleType, names: Names) -> list[doctest.DocTest]:
    """Return the docstrings of the module that hold examples, in order. They share their names."""
    found = doctest.DocTestFinder(exclude_empty=True).find(module)
    names |= {name: value for name, value in vars(module).items() if name not in names}
    tests = sorted((test for test in found if test.examples), key=lambda test: test.lineno or 0)
    for test in tests:
        test.globs = names
        for example in test.examples:
            if "await " in example.source or "async " in example.source:
                example.source = f"run_async({example.source!r})\n"
    return tests


def _stores(tests: list[doctest.DocTest]) -> bool:
    return any("documents.add(" in example.source for test in tests for example in test.examples)


def _store(library: Library) -> None:
    library.documents.add(id="1", title="Tides", text="The moon pulls the sea.", metadata={"year": 1687})


@pytest.fixture
def names(server: RunningServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Names]:
    """What examples may use without saying where it comes from."""
    emptied(server.base_url)
    monkeypatch.setenv("PERGAMUM_URL", server.base_url)
    monkeypatch.chdir(tmp_path)
    with Pergamum() as client, asyncio.Runner() as runner:
        async_client = AsyncPergamum()
        names: Names = {**NAMES, "client": client, "async_client": async_client}
        names["run_async"] = lambda source: _run_async(source, names, runner)
        yield names
        runner.run(async_client.close())
        for value in names.values():
            if type(value).__module__.startswith("pergamum.adapters.") and hasattr(value, "close"):
                value.close()


def _run_async(source: str, names: Names, runner: asyncio.Runner) -> None:
    """Run what `python -m asyncio` understands, and print the value of an expression as an interpreter does."""
    code = compile(source, "<example>", "single", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    runner.run(eval(code, names))  # noqa: S307  # the examples are ours


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_the_examples_of_a_module_answer_what_they_say(path: Path, names: Names) -> None:
    library = names["client"].libraries.create(name="examples", metadata_schema=FIELDS)
    names["library"] = names["async_client"].library("examples") if "aio" in path.parts else library
    tests = _tests(import_module(_name(path)), names)
    if not _stores(tests):
        _store(library)

    printed = io.StringIO()
    runner = doctest.DocTestRunner()
    for test in tests:
        runner.run(test, out=printed.write, clear_globs=False)

    assert runner.summarize(verbose=False).attempted > 0, "no example of the module was found"
    assert not printed.getvalue(), printed.getvalue()

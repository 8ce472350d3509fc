"""The two clients are one: what is committed of the synchronous one is made from the other, and offers the same."""

import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_type_hints

import httpx
import pytest

import pergamum
from pergamum.client import AsyncPergamum, Pergamum
from pergamum.client.aio.paging import AsyncPages
from pergamum.client.sync.paging import Pages

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ROOT / "src" / "pergamum" / "client"
MARKS = re.compile(r"collections\.abc\.Awaitable|Async|\.aio\b|\.sync\b|\bawait |\basync |[\[\]()]")
"""What tells the words and types of one from those of the other: `(await x).y` is `x.y`."""
BESIDES = " | collections.abc.AsyncIterable[typing.Any]"
"""Only one of them takes what gives rows by `async for`."""


def test_what_is_committed_is_what_the_script_makes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "scripts" / "make_sync_client", tmp_path], check=True)

    made = {path.name: path.read_text() for path in tmp_path.glob("*.py")}
    committed = {path.name: path.read_text() for path in (CLIENT / "sync").glob("*.py")}
    by_hand = committed.keys() - made.keys()

    assert {name: committed.get(name) for name in made} == made
    assert all("Made by scripts/make_sync_client" not in committed[name] for name in by_hand)
    assert by_hand <= {path.name for path in (CLIENT / "aio").glob("*.py")}


def test_what_is_written_twice_by_hand_is_used_alike() -> None:
    script = (ROOT / "scripts" / "make_sync_client").read_text()
    by_hand = re.findall(r'"(\w+)\.py"', next(line for line in script.splitlines() if "HAND_WRITTEN =" in line))

    assert by_hand
    for name in by_hand:
        first, second = (importlib.import_module(f"pergamum.client.{folder}.{name}") for folder in ("aio", "sync"))
        assert used_of(first) == used_of(second), name


def used_of(module: ModuleType) -> dict[str, list[str]]:
    """Return the classes and functions of a module, by the sync client's names, with what can be called of them."""
    own = {name: value for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__}
    return {
        without_async(name): sorted(public(value))
        if isinstance(value, type)
        else list(inspect.signature(value).parameters)
        for name, value in own.items()
        if not name.startswith("_") and callable(value)
    }


def nouns() -> Iterator[tuple[type, type]]:
    """Yield every noun of the one client with that of the other, found by walking over what each holds."""
    waiting: list[tuple[object, object]] = [(_async_client(), _client())]
    waiting += [(first.library("x"), second.library("x")) for first, second in waiting]  # type: ignore[attr-defined]
    seen: set[type] = set()
    yield AsyncPages, Pages
    while waiting:
        first, second = waiting.pop()
        if type(first) in seen:
            continue
        seen.add(type(first))
        yield type(first), type(second)
        held = (name for name in vars(first) if not name.startswith("_"))
        pairs = [(getattr(first, name), getattr(second, name)) for name in held]
        waiting += [pair for pair in pairs if type(pair[0]).__module__.startswith("pergamum.client.aio")]


def _client() -> Pergamum:
    return Pergamum(http=httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(500))))


def _async_client() -> AsyncPergamum:
    return AsyncPergamum(http=httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(500))))


PAIRS = list(nouns())


def public(noun: type) -> dict[str, Any]:
    """Return what a program may use of the noun, its own magic methods included, by the name the sync client has."""
    own = {name: value for base in reversed(noun.__mro__[:-1]) for name, value in vars(base).items()}
    used = {"__init__", "__enter__", "__exit__", "__iter__", "__aenter__", "__aexit__", "__aiter__", "__repr__"}
    kept = {name: value for name, value in own.items() if not name.startswith("_") or name in used}
    return {name.replace("__a", "__"): getattr(value, "__func__", value) for name, value in kept.items()}


def without_async(text: str | None) -> str:
    """Return the text without what tells one client from the other."""
    return MARKS.sub("", (text or "").replace(BESIDES, ""))


def shape(used: object) -> object:
    """Return how it is called: names, kinds and defaults of parameters with their types, or what it is instead."""
    if isinstance(used, property):
        return ("property", shape(used.fget))
    if not callable(used):
        return type(used)
    given = inspect.signature(used).parameters.values()
    return [(one.name, one.kind, one.default, _type(one.annotation)) for one in given]


def _type(annotation: object) -> str:
    return without_async(annotation if isinstance(annotation, str) else inspect.formatannotation(annotation))


def test_the_walk_finds_all_nouns() -> None:
    assert {second.__name__ for _, second in PAIRS} >= {
        "Pergamum",
        "Libraries",
        "Library",
        "Documents",
        "Chunks",
        "Schema",
        "Index",
        "Operations",
        "Pages",
    }
    assert (pergamum.Pergamum, pergamum.AsyncPergamum) == (Pergamum, AsyncPergamum)


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=lambda noun: noun.__name__)
def test_both_offer_the_same_with_the_same_words(first: type, second: type) -> None:
    asynchronous, synchronous = public(first), public(second)

    assert asynchronous.keys() == synchronous.keys()
    assert without_async(first.__name__) == second.__name__
    assert without_async(first.__doc__) == without_async(second.__doc__)
    for name, used in asynchronous.items():
        assert without_async(inspect.getdoc(used)) == without_async(inspect.getdoc(synchronous[name])), name
        assert shape(used) == shape(synchronous[name]), name


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=lambda noun: noun.__name__)
def test_what_goes_over_the_network_is_awaited_in_one_of_them_only(first: type, second: type) -> None:
    asynchronous, synchronous = public(first), public(second)

    awaited = {name for name, used in asynchronous.items() if inspect.iscoroutinefunction(used)}
    assert not [name for name, used in synchronous.items() if inspect.iscoroutinefunction(used)]
    assert awaited >= asynchronous.keys() & {"get", "create", "add", "add_many", "delete", "search", "send", "close"}


ASKS_NOTHING_NEW = {
    *("library", "close", "local", "encoded"),
    *("pages", "frame", "to_list", "to_pandas", "to_polars", "to_arrow"),  # of pages: they have the options of the list
}
"""Methods without options of a call."""


def test_every_call_takes_a_patience_of_its_own() -> None:
    calls = [
        (f"{noun.__name__}.{name}", inspect.signature(method))
        for noun, _ in nouns()
        for name, method in public(noun).items()
        if not name.startswith("_") and name not in ASKS_NOTHING_NEW and inspect.isfunction(method)
    ]

    assert len(calls) > 40
    assert [name for name, signature in calls if "timeout" not in options_of(signature)] == []


def options_of(signature: inspect.Signature) -> set[str]:
    """Return the names that may be given by keyword only because a TypedDict lists them."""
    listed = (each.annotation for each in signature.parameters.values() if each.kind is each.VAR_KEYWORD)
    return {name for options in listed for name in get_type_hints(get_args(options)[0])}

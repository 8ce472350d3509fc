"""What the commands share: results on stdout, everything else on stderr, and what an exit code says.

0 done, 1 failed, 2 wrong usage or cannot start, 3 the server cannot be reached, 130 interrupted.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final, NoReturn, TypeAlias

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel

    from pergamum.client import Pergamum

FAILED: Final = 1
CANNOT_START: Final = 2
UNREACHABLE: Final = 3
INTERRUPTED: Final = 130

Url: TypeAlias = Annotated[
    str | None,
    typer.Option("--url", envvar="PERGAMUM_URL", help="The server; http://127.0.0.1:8000 unless given."),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
LibraryKey: TypeAlias = Annotated[str, typer.Argument(metavar="LIBRARY", help="A library's name or id.")]


def fail(message: str, code: int = FAILED) -> NoReturn:
    """Say on stderr what is wrong and end with the exit code."""
    tell(message)
    raise typer.Exit(code)


def tell(message: str) -> None:
    """Say something on stderr, where it cannot mix with results."""
    typer.echo(f"pergamum: {message}", err=True)


def print_json(value: object) -> None:
    """Print a result that programs read, on one line."""
    typer.echo(json.dumps(value, ensure_ascii=False))


def plain(model: "BaseModel") -> object:
    """Return an answer as JSON values: what the server sent, without what it left out."""
    return model.model_dump(mode="json", exclude_unset=True)


@contextmanager
def connected(url: str | None) -> Iterator["Pergamum"]:
    """A client for the length of the block; what it raises becomes a message and an exit code."""
    from pergamum.client import ClientError, Pergamum, TimedOut, Unreachable

    try:
        client = Pergamum(url)
    except ValueError as error:
        fail(str(error), CANNOT_START)
    with client:
        try:
            yield client
        except Unreachable as error:
            fail(f"{error}\nIs the server running? Start it with `pergamum serve`, or name it by PERGAMUM_URL.", 3)
        except TimedOut as error:
            fail(str(error), UNREACHABLE)
        except ClientError as error:
            fail(str(error))


def is_terminal() -> bool:
    """Whether a person reads stderr."""
    return sys.stderr.isatty()

"""How the tour appears on a terminal: what it says, the code it runs, and the pace."""

import ast
import inspect
import os
import re
import sys
import termios
import textwrap
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

GivenT = TypeVar("GivenT")
AnswerT = TypeVar("AnswerT")

CHARACTERS_PER_REST = 40
"""How many characters are typed in the time of one rest."""
LEAVING = {b"q", b"Q", b"\x1b", b"\x04", b""}
"""What ends the tour: q, Escape, the end of input."""


class Left(Exception):
    """The person who watches has seen enough."""


@dataclass(frozen=True, slots=True)
class Pace:
    """`by_key`: a key leads to the next step. `rest`: seconds after a step; code is typed unless it is 0."""

    by_key: bool = False
    rest: float = 0.0


class Stage:
    """Shows and runs the steps of the tour. `seconds` is how long the code took that was run last."""

    def __init__(self, console: Console, pace: Pace) -> None:
        self._console, self._pace = console, pace
        self.seconds = 0.0

    @property
    def talks(self) -> bool:
        """Whether a person can answer."""
        return self._pace.by_key

    def title(self, text: str) -> None:
        """Begin a part of the tour."""
        self._console.print()
        self._console.rule(Text(text, style="bold"), align="left")

    def say(self, text: str) -> None:
        """Say something, as lines of the terminal's width."""
        self._console.print()
        self._console.print(Text(" ".join(text.split())))

    def show(self, what: RenderableType, rest: bool = True) -> None:
        """Show a result, then give time to look at it."""
        self._console.print(Padding(what, (1, 0, 0, 2)))
        if rest:
            self._rest()

    def run(
        self, function: Callable[[GivenT], AnswerT], given: GivenT, name: str = "answer", *, takes: str | None = None
    ) -> AnswerT:
        """Show the code of the function, with `name` for what it returns, then run just that; return its answer.

        `takes` says meanwhile what takes its time.
        """
        self._type(code_of(function, name))
        with self._console.status(takes) if takes is not None else nullcontext():
            began = time.perf_counter()
            answer = function(given)
            self.seconds = time.perf_counter() - began
        return answer

    def ask(self) -> str:
        """Return a line that the person types, without the spaces around it; raises `Left` where input ends."""
        try:
            return self._console.input("\n[bold]> [/bold]").strip()
        except EOFError:
            raise Left from None

    def _type(self, code: str) -> None:
        text = Syntax(code, "python", theme="ansi_dark", background_color="default").highlight(code)
        text.rstrip()
        text.no_wrap = False
        self._console.print()
        if not self._pace.rest:
            self._console.print(Padding(text, (0, 0, 0, 2)))
            return
        for line in text.split("\n"):
            self._console.print("  ", end="")
            for place in range(len(line)):
                self._console.print(line[place], end="")
                time.sleep(self._pace.rest / CHARACTERS_PER_REST)
            self._console.print()

    def _rest(self) -> None:
        time.sleep(self._pace.rest)
        if not self._pace.by_key:
            return
        with _single_keys():
            self._console.print("\n  [dim]any key goes on, q ends[/dim]", end="")
            key = os.read(sys.stdin.fileno(), 16)
        self._console.print("\r" + " " * 40 + "\r", end="")
        if key in LEAVING:
            raise Left


@contextmanager
def _single_keys() -> Iterator[None]:
    """Keys are read one by one, without being shown, those pressed before as well."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal, termios.TCSANOW)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def code_of(function: Callable[..., object], name: str) -> str:
    """Return the body of the function as a person would type it: no docstring, `name = ...` for `return ...`."""
    source = textwrap.dedent(inspect.getsource(function))
    definition = ast.parse(source).body[0]
    if not isinstance(definition, ast.FunctionDef):
        raise TypeError(f"{function} is no function with a name")
    statements = definition.body[1 if ast.get_docstring(definition) is not None else 0 :]
    body = textwrap.dedent("\n".join(source.splitlines()[statements[0].lineno - 1 :]))
    lines = [line for line in body.splitlines() if line != f"return {name}"]
    return "\n".join(re.sub(r"^return ", f"{name} = ", line) for line in lines)

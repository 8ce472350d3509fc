"""`pergamum demo`: a guided tour in five minutes, on the words of WordNet."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from pergamum.cli.output import INTERRUPTED, fail


def demo(
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Run straight through, without asking for keys.")] = False,
    pause: Annotated[
        float, typer.Option(min=0, max=60, help="Type the code at a human pace and rest so many seconds a step.")
    ] = 0.0,
) -> None:
    """Show search by meaning, filters, words, plans and recall on 5,000 definitions that come with the package.

    Everything is computed in this process and shown with the code that does it. Nothing is kept but the compiled
    kernels that every later start uses too. Without a terminal the tour runs straight through.
    """
    from rich.console import Console

    from pergamum.cli.demo_acts import TOUR, opening
    from pergamum.cli.demo_stage import Left, Pace, Stage
    from pergamum.client import ClientError

    by_key = sys.stdin.isatty() and sys.stdout.isatty() and not no_wait and not pause
    stage = Stage(Console(highlight=False), Pace(by_key=by_key, rest=pause))
    try:
        with told_to_end(), opening(stage) as words:
            for act in TOUR:
                act(stage, words)
    except Left:
        stage.say("Goodbye.")
    except KeyboardInterrupt:
        fail("interrupted; nothing is kept", INTERRUPTED)
    except ClientError as error:
        fail(str(error))


@contextmanager
def told_to_end() -> Iterator[None]:
    """A signal, or a terminal that is closed, ends the block as Ctrl-C does, so that the temporary folder goes."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

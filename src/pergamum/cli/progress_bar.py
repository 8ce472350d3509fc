"""How far long work is, for a person who watches."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from pergamum.cli.output import is_terminal

Shown: TypeAlias = Callable[[int, int], None]
"""Shows how much is read, in the unit of the total, and how many things are done."""


@contextmanager
def progress_bar(total: int | None, things: str = "documents") -> Iterator[Shown]:
    """A bar on stderr with the rate and the time left, where stderr is a terminal."""
    if not is_terminal():
        yield lambda _read, _done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[rate]:,.0f} " + things + "/s")
    left = TextColumn("left")
    columns = (BarColumn(), TaskProgressColumn(), rate, TimeRemainingColumn(), left)
    began = time.monotonic()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("import", total=total, rate=0.0)

        def show(read: int, done: int) -> None:
            bar.update(task, completed=read, rate=done / max(time.monotonic() - began, 1e-3))

        yield show

"""Runs what is written once for two clients, the one that waits and the async one.

A script is a generator: it yields what to ask a client and receives the answer, or has the error raised where it asked.
"""

from collections.abc import Callable, Generator
from functools import partial
from typing import Any, TypeAlias, TypeVar

from pergamum.client import AsyncPergamum, ClientError, Pergamum

T = TypeVar("T")
Ask: TypeAlias = Callable[[Pergamum | AsyncPergamum], Any]
"""Asks a client for something; what the async client gives is to be awaited. What comes, whoever asks knows."""
Script: TypeAlias = Generator[Ask, Any, T]
"""Asks for one thing after the other and returns a T."""


def play(script: Script[T], client: Pergamum) -> T:
    """Run the script to its end."""
    step: Callable[[], Ask] = partial(next, script)
    while True:
        try:
            ask = step()
        except StopIteration as end:
            result: T = end.value
            return result
        try:
            answer = ask(client)
        except ClientError as error:
            step = partial(script.throw, error)
        else:
            step = partial(script.send, answer)


async def play_async(script: Script[T], client: AsyncPergamum) -> T:
    """Run the script to its end, waiting for each answer."""
    step: Callable[[], Ask] = partial(next, script)
    while True:
        try:
            ask = step()
        except StopIteration as end:
            result: T = end.value
            return result
        try:
            answer = await ask(client)
        except ClientError as error:
            step = partial(script.throw, error)
        else:
            step = partial(script.send, answer)

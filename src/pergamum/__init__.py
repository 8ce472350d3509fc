"""Pergamum: a vector database. `from pergamum import Pergamum` is where a program begins."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pergamum.client import AsyncPergamum, F, Pergamum

__all__ = ["AsyncPergamum", "F", "Pergamum"]


def __getattr__(name: str) -> object:
    """Load the client when it is asked for: the server has no use for it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("pergamum.client"), name)

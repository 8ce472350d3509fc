"""Frameworks let their users pass any keyword to any method; what a method does not read is a mistake."""

from collections.abc import Mapping


def refuse(options: Mapping[str, object]) -> None:
    """Raise TypeError if there are options that nobody reads."""
    if options:
        raise TypeError(f"unknown: {', '.join(options)}")

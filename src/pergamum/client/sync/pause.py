"""Waiting."""

import time


def pause(seconds: float) -> None:
    """Wait so many seconds."""
    time.sleep(seconds)

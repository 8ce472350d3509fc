"""Memory that a build has freed goes back to the system."""

import ctypes
import gc
import sys
from pathlib import Path

import numpy as np
import pytest

from pergamum.engine import given_back
from pergamum.engine.given_back import give_back

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
PIECES, PIECE = 1_000, 100_000


def _anonymous() -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon:"))


@linux
@pytest.mark.skipif(given_back._trim() is None, reason="not glibc")
def test_what_is_free_is_given_back() -> None:
    gc.collect()
    held = [np.ones(PIECE, np.uint8) for _ in range(PIECES)]
    last = np.ones(PIECE, np.uint8)  # above them, or freeing the others would shorten the heap by itself
    full = _anonymous()
    del held

    give_back()

    assert _anonymous() < full - 0.8 * PIECES * PIECE
    assert last.all()


def test_without_glibc_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    given_back._trim.cache_clear()

    try:
        give_back()
    finally:
        given_back._trim.cache_clear()

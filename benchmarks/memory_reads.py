"""What a line of memory costs this core: in order, at random with many under way, at random one after the other."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from benchmarks.vector_sets import pinned

LINE = 64
LINES = 4_000_000
"""256 MB: beyond every cache."""
STEPS = 1_000_000

Longs = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Reads:
    """Nanoseconds a line: the best of some repeats, which is what the memory allows."""

    in_order: float
    at_random: float
    one_by_one: float

    @classmethod
    def measured(cls, repeats: int = 5) -> Self:
        """Measure on one core."""
        from numba import njit  # noqa: PLC0415  # see look_ups.py

        lines = chain(LINES)
        jumps = np.random.default_rng(1).integers(0, LINES, STEPS) * (LINE // 8)
        in_order, at_random, one_by_one = njit()(read_in_order), njit()(read_at_random), njit()(follow)
        with pinned():
            return cls(
                best(lambda: in_order(lines), repeats) / LINES,
                best(lambda: at_random(lines, jumps), repeats) / STEPS,
                best(lambda: one_by_one(lines, STEPS), repeats) / STEPS,
            )


def chain(count: int) -> Longs:
    """Return `count` lines of eight numbers, the first of each the place of the next line of one random ring."""
    order = np.random.default_rng(0).permutation(count)
    lines = np.zeros((count, LINE // 8), np.int64)
    lines[order, 0] = np.roll(order, -1) * (LINE // 8)
    return lines.reshape(-1)


def best(work: Callable[[], object], repeats: int) -> float:
    """Return the least nanoseconds that `work` took, after a call that counts for nothing."""
    work()
    found = list[float]()
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        found.append(1e9 * (time.perf_counter() - start))
    return min(found)


def read_in_order(lines: Longs) -> int:
    """Return the sum of all numbers."""
    total = 0
    for place in range(len(lines)):
        total += lines[place]
    return total


def read_at_random(lines: Longs, jumps: Longs) -> int:
    """Return the sum of the numbers at known places."""
    total = 0
    for jump in jumps:
        total += lines[jump]
    return total


def follow(lines: Longs, steps: int) -> int:
    """Return where one comes to by going on to the place that was read."""
    place = 0
    for _ in range(steps):
        place = lines[place]
    return place

"""Selecting the greatest of some scores, by counting: how many reach this number?

Quickselect turns on a comparison that no processor can foretell, which cost a third of a query. Counting takes a few
vector instructions for many numbers, and none of its turns depends on a single one of them. Floats are compared as
whole numbers of the same order, *ranks*, between which there is always a middle.
"""

import numpy as np
from numba import types

from pergamum.index.ivf import fastscan
from pergamum.index.ivf.layout import BLOCK, Slots
from pergamum.index.ivf.scratch import Scratch
from pergamum.index.ivf.views import F4, I4S, SCRATCH
from pergamum.index.jit import I8, Real, Whole, kernel
from pergamum.index.registers import lowest

MAGNITUDE = np.int32(0x7FFFFFFF)
"""All bits of a float32 but that of its sign."""
LOWEST = np.int32(-(2**31))
"""Below the rank of every number."""
I4 = types.int32


@kernel(I4, F4, inline=True)
def rank_of(score: Real) -> Whole:
    """Return the rank of a score: whole numbers in the order of floats. O(1)."""
    bits = np.float32(score).view(np.int32)
    return bits ^ ((bits >> np.int32(31)) & MAGNITUDE)


@kernel(F4, I4, inline=True)
def score_of(rank: Whole) -> Real:
    """Return the score of a rank: undo `rank_of`. O(1)."""
    return np.int32(rank ^ ((rank >> np.int32(31)) & MAGNITUDE)).view(np.float32)


@kernel(types.void, I4S)
def to_ranks(bits: Slots) -> None:
    """Turn the bits of float32 numbers into their ranks. O(n)."""
    for i in range(len(bits)):
        bits[i] = bits[i] ^ ((bits[i] >> np.int32(31)) & MAGNITUDE)


@kernel(I4, I4S, I8, I8, I8)
def least_between(ranks: Slots, size: Whole, wanted: Whole, most: Whole) -> Whole:
    """Return a number that at least `wanted` of ranks[:size] reach, and `most` at most, unless too many are equal.

    Then it is the `wanted`-th greatest. Found by halving what is between `low` and `high`; ends because each turn does.
    O(32 size) at most, O(size log size) is usual. Fills the ranks behind with LOWEST, up to a multiple of 64.
    REQUIRES 0 < wanted <= most, wanted <= size.
    """
    stop = size + (-size & (BLOCK - 1))
    least, greatest = ranks[0], ranks[0]
    for i in range(size):
        least, greatest = min(least, ranks[i]), max(greatest, ranks[i])
    for i in range(size, stop):
        ranks[i] = LOWEST
    low, high = np.int64(least), np.int64(greatest)
    while low < high:
        middle = (low + high + 1) >> 1
        count = fastscan.reached(ranks, stop, np.int32(middle))
        if wanted <= count <= most:
            return np.int32(middle)
        if count > most:
            low = middle
        else:
            high = middle - 1
    return np.int32(low)


@kernel(I4, I4S, I8, I8)
def least_of(ranks: Slots, size: Whole, wanted: Whole) -> Whole:
    """Return a number that `wanted` of ranks[:size] reach; of several equal ones, the last. See `least_between`."""
    return least_between(ranks, size, wanted, wanted)


@kernel(I8, I8, I8, I4, SCRATCH)
def parted(start: Whole, size: Whole, least: Whole, scratch: Scratch) -> Whole:
    """Move the candidates [start, size) whose ranks reach `least` to their front; return where they end. O(size).

    Every turn swaps, so there is nothing to foretell (the partition of Lomuto, without its branch).
    """
    scores, found, ranks = scratch.scores, scratch.found, scratch.ranks
    for i in range(start, size):
        score, slot, rank = scores[i], found[i], ranks[i]
        scores[i], found[i], ranks[i] = scores[start], found[start], ranks[start]
        scores[start], found[start], ranks[start] = score, slot, rank
        start += np.int64(rank >= least)
    return start


@kernel(I8, I8, I8, I4, SCRATCH)
def keep_reaching(start: Whole, size: Whole, least: Whole, scratch: Scratch) -> Whole:
    """Keep those of the candidates [start, size) whose ranks reach `least`, in their order; return the new size.

    What is left out is gone. O(size - start).
    """
    scores, found, ranks = scratch.scores, scratch.found, scratch.ranks
    for block in range(start, size, BLOCK):
        bits = fastscan.reaching(ranks, block, least)
        if size - block < BLOCK:
            bits &= (np.uint64(1) << np.uint64(size - block)) - np.uint64(1)
        while bits:
            i = block + lowest(bits)
            bits &= bits - np.uint64(1)
            scores[start], found[start], ranks[start] = scores[i], found[i], ranks[i]
            start += 1
    return start


@kernel(I4, I8, I8, SCRATCH)
def to_front(size: Whole, wanted: Whole, scratch: Scratch) -> Whole:
    """Move the `wanted` best of the candidates [0, size) to the front; return a rank that all of them reach.

    REQUIRES 0 < wanted <= size, and that their ranks are set. Cost as of `least_of`.
    """
    least = least_of(scratch.ranks, size, wanted)
    reached = parted(0, size, least, scratch)
    if reached > wanted:  # several are equal to the last: what is above goes first
        parted(0, reached, np.int32(least + np.int32(1)), scratch)
    return least

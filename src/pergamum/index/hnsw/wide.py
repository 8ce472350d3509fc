"""The wide layout: beside the links of a slot lie short codes of the slots they lead to, read in one go.

Source   Gou, Gao, Xu, Long, "SymphonyQG: Towards symphonious integration of quantization and graph for approximate
         nearest neighbor search", SIGMOD 2025 (arXiv 2411.12229); the codes are those of Gao and Long, "RaBitQ",
         SIGMOD 2024 (arXiv 2405.12497), with one or two bits a dimension.

A neighbour x of the slot c is kept as the direction r = x - c, turned by a fixed random rotation R so that what codes
lose of it points nowhere in particular: each number of R r / |r| * sqrt(D) becomes the nearest of 2 or 4 levels, z.
For a query y, with <z, R r> known exactly,

    <y - c, r>  is estimated by  |r|^2 / <z, R r> * <z, R (y - c)>,   and <z, R y> is a sum of look-ups

in tables that depend on the query alone. One block holds GROUP neighbours:

    | links u4 (32) | factors f4 (32) | offsets f4 (32) | codes: registers of 64 bytes |

estimate of a key = key of c + offset - factor * <z, R y>. In register i, byte 32 h + j holds the codes of neighbour j
for two runs of 4 / bits dimensions: those from (4 i + 2 h) * 4 / bits on in its low half, the next in its high half.
"""

import math
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from pergamum.index.arrays import LINE, aligned

GROUP: Final = 32
"""Neighbours in a block."""
UNIT: Final = 16
"""Rotated vectors are padded with zeros to a multiple of this: the numbers of a register."""
LINKS, FACTORS, OFFSETS, CODES = (4 * GROUP * part for part in range(4))
"""Where the parts of a block begin, in bytes."""
ROUNDS: Final = 3
MOST_SEEDS: Final = 64
"""That a file may hold; `wide_build.SEEDS` says how many are made."""
MOST_SUM: Final = 65_535
MOST_ENTRY: Final = 127
"""Entries of tables are at most this, so that two of them add up in a byte."""
_TWO_BITS_UP_TO: Final = 512
_LEVELS: Final = ((-1.0, 1.0), (-1.51, -0.4528, 0.4528, 1.51))
"""By bits: the levels of least mean square error for a normal number (one bit: only its sign counts)."""
CUT: Final = np.float32(0.9816)
"""Between the two upper levels of two bits."""
_SEED: Final = 20_241_122


Bytes: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.float32]
Sums: TypeAlias = npt.NDArray[np.uint16]


class Wide(NamedTuple):
    """What the wide layout adds to a graph of n slots; all empty in the compact one.

    `blocks` u1 (n, blocks a slot * bytes of a block). `signs` f4 (ROUNDS, padded): of the rotation, see
    `signs_of`. `seeds` u4 (s,): the slots one of which a search begins at.
    """

    blocks: Bytes
    signs: Floats
    seeds: npt.NDArray[np.uint32]


class Query(NamedTuple):
    """What one search through the wide layout needs beside `graph.Scratch`.

    `turned` f4 (padded + 4,): R y, then zeros. `tables` u1 (128 * registers,). `sums` u2, `keys` f4 (32,): of a block.
    `best` u8: packed entries, see `pool_kernels`, of the nearest slots visited.
    """

    turned: Floats
    tables: Bytes
    sums: Sums
    keys: Floats
    best: npt.NDArray[np.uint64]


class Edge(NamedTuple):
    """What encoding one neighbour needs: `residual` (R r), `centre` (R c), `levels` f4 and `codes` u1 (padded,)."""

    residual: Floats
    centre: Floats
    levels: Floats
    codes: Bytes


class Making(NamedTuple):
    """Which blocks are made: the metric's number, bits a dimension, the first slot and one more than the last."""

    metric: int
    bits: int
    start: int
    stop: int


class Stride(NamedTuple):
    """How a walk goes: entries in its pool, hits asked for, slots it keeps, registers and bytes of a block."""

    effort: int
    k: int
    keep: int
    registers: int
    block: int


def bits_of(dimension: int) -> int:
    """Return the bits a dimension: blocks of many dimensions cost more time to read than their second bit saves."""
    return 2 if dimension <= _TWO_BITS_UP_TO else 1


def padded_of(dimension: int) -> int:
    """Return the numbers of a rotated vector."""
    return -(-dimension // UNIT) * UNIT


def registers_of(dimension: int) -> int:
    """Return the registers of 64 bytes of the codes in a block."""
    return padded_of(dimension) * bits_of(dimension) // UNIT


def block_bytes(dimension: int) -> int:
    """Return the size of a block."""
    return CODES + LINE * registers_of(dimension)


def row_bytes(dimension: int, links: int) -> int:
    """Return the size of the blocks of a slot with room for `links` links."""
    return -(-links // GROUP) * block_bytes(dimension)


def none(dimension: int, links: int) -> Wide:
    """Return what the compact layout keeps: nothing."""
    return Wide(
        np.empty((0, row_bytes(dimension, links)), np.uint8),
        np.empty((0, padded_of(dimension)), np.float32),
        np.empty(0, np.uint32),
    )


def unfilled(count: int, dimension: int, links: int) -> Wide:
    """Return uninitialised blocks for `count` slots, and the signs; no seeds yet."""
    nothing = none(dimension, links)
    return Wide(aligned(count, nothing.blocks.shape[1], np.uint8), signs_of(dimension), nothing.seeds)


def signs_of(dimension: int) -> Floats:
    """Return the signs of the rotation, f4 (ROUNDS, padded): the same ones for every index of a dimension.

    In them are the factors, too, that keep lengths: sums and differences of `rotation_kernels` are not scaled.
    """
    padded = padded_of(dimension)
    signs = np.random.default_rng(_SEED).integers(0, 2, (ROUNDS, padded)) * 2.0 - 1.0
    block = UNIT * 2 ** int(math.log2(padded // UNIT))
    rest = padded - block
    for turn in range(ROUNDS):
        first = rest * (turn % 2)
        signs[turn, first : first + block] /= math.sqrt(block // UNIT)
    signs[2, :rest] *= math.sqrt(0.5)
    signs[2, block:] *= math.sqrt(0.5)
    return (signs / math.sqrt(UNIT)).astype(np.float32)


def patterns_of(bits: int) -> Floats:
    """Return the levels of the dimensions that a code stands for, f4 (4, 16): zero beyond the 4 / bits there are."""
    each, levels = 4 // bits, np.array(_LEVELS[bits - 1], np.float32)
    patterns = np.zeros((4, 16), np.float32)
    for dimension in range(each):
        patterns[dimension] = levels[(np.arange(16) >> (bits * dimension)) % len(levels)]
    return patterns


def links_of(blocks: Bytes, dimension: int) -> npt.NDArray[np.uint32]:
    """Return the links in the blocks of each slot, u4 (n, GROUP * blocks a slot)."""
    each = blocks.reshape(-1, block_bytes(dimension))[:, LINKS : LINKS + 4 * GROUP]
    return np.ascontiguousarray(each).view(np.uint32).reshape(len(blocks), -1)


def query(dimension: int, keep: int) -> Query:
    """Return room for a search that keeps `keep` slots."""
    return Query(
        np.zeros(padded_of(dimension) + 4, np.float32),
        np.zeros(2 * LINE * registers_of(dimension), np.uint8),
        np.zeros(GROUP, np.uint16),
        np.zeros(GROUP, np.float32),
        np.zeros(keep, np.uint64),
    )


def edge(dimension: int) -> Edge:
    """Return room for encoding neighbours."""
    padded = padded_of(dimension)
    residual, centre, levels = (np.zeros(padded, np.float32) for _ in range(3))
    return Edge(residual, centre, levels, np.zeros(padded, np.uint8))

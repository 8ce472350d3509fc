"""The arrays of a kd-tree, and its shape, which follows from the number of points and the size of a leaf.

A binary kd-tree, split at a median of the dimension in which the points of a node spread widest, of which every fourth
level is kept: a *group* holds the boxes of up to 16 children, so that one loop of vector instructions bounds all of
them. Splits fall so that every leaf but the last is full and sixteen leaves next to each other have one parent
(a left-balanced tree); hence no links are needed.

Nodes are numbered level by level from the root, groups before leaves: the children of group g are the nodes
[first[g], first[g + 1]), and node groups + i is leaf i.
"""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from pergamum.domain.vectors import Matrix
from pergamum.index.distance import Doubles, norms

FAN = 16
"""Children a group."""
LOW, HIGH = 0, 1
"""Sides of a box."""

Slots: TypeAlias = npt.NDArray[np.int64]

_NORMALISED_AT_ONCE = 1 << 18


class Tree(NamedTuple):
    """p points in leaves of s; arrays are C-contiguous and never written once the tree is made.

    `slots` i8 (p,): leaf i holds the slots [i * s, (i + 1) * s) of this array, the last one fewer.
    `boxes` f4 (groups, 2, d, 16): least and greatest coordinates of each child's points, exact.
    `leaves` f4 (leaves, d, s): coordinates, those of one dimension side by side; zero where there is no point.
    `first` i8 (groups + 1,): see above.
    """

    slots: Slots
    boxes: npt.NDArray[np.float32]
    leaves: npt.NDArray[np.float32]
    first: Slots


@dataclass(frozen=True, slots=True)
class Shape:
    """How large the arrays of a tree are."""

    points: int
    dimension: int
    leaf_size: int

    @property
    def leaves(self) -> int:
        """How many leaves hold the points."""
        return -(-self.points // self.leaf_size)

    @property
    def levels(self) -> list[int]:
        """How many groups each level has, the root's first; none without points."""
        levels: list[int] = []
        below = self.leaves
        while below and (not levels or below > 1):
            below = -(-below // FAN)
            levels.insert(0, below)
        return levels

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return sum(self.levels)

    def first(self) -> Slots:
        """Return `Tree.first`. O(groups)."""
        first, start = np.zeros(self.groups + 1, dtype=np.int64), 0
        for groups in self.levels:
            first[start : start + groups] = start + groups + FAN * np.arange(groups)
            start += groups
        first[-1] = self.groups + self.leaves
        return first

    def empty(self) -> Tree:
        """Return a tree of this shape without content; arrays start at cache lines."""
        return Tree(
            np.zeros(self.points, dtype=np.int64),
            _lines((self.groups, 2, self.dimension, FAN)),
            _lines((self.leaves, self.dimension, self.leaf_size)),
            self.first(),
        )


def _lines(shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Return zeros of `shape` that start at a multiple of 64 bytes."""
    size = int(np.prod(shape))
    space = np.zeros(size + 16, dtype=np.float32)
    skipped = -(space.ctypes.data // 4) % 16
    return space[skipped : skipped + size].reshape(shape)


def frozen(tree: Tree) -> Tree:
    """Return the same arrays, read-only."""
    for part in tree:
        part.flags.writeable = False
    return tree


def unit(vectors: Matrix) -> Matrix:
    """Return each row divided by its norm, rounded to float32. No row is zero. O(n * d)."""
    result = np.empty(vectors.shape, dtype=np.float32)
    for start in range(0, len(vectors), rows := max(1, _NORMALISED_AT_ONCE // vectors.shape[1])):
        part = slice(start, start + rows)
        wide: Doubles = vectors[part].astype(np.float64)
        result[part] = wide / norms(vectors[part])[:, None]
    return result

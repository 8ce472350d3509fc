"""Making a kd-tree: range by range of leaves, so that it can be watched and given up, on several threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from pergamum.domain.vectors import Matrix
from pergamum.index.base import Job
from pergamum.index.kd_tree.tree import Shape, Slots, Tree, frozen

PIECE_POINTS = 1 << 16
"""Points that are ordered without a word to whoever waits."""

Leaves: TypeAlias = tuple[int, int]
"""Leaves [first, last)."""


def tree_of(points: Matrix, slots: Slots, leaf_size: int, job: Job) -> Tree:
    """Return the tree of `points` f4 (p, d), which come out reordered, and their `slots` i8 (p,).

    O(p * d * log p) expected. The same tree for any number of threads: every range of leaves is ordered by itself, the
    split of one before its halves. Raises `Cancelled`. REQUIRES: the kernels are loaded.
    """
    job.report(0.0)
    shape = Shape(len(points), points.shape[1], leaf_size)
    tree = shape.empty()
    tree.slots[:] = slots
    if len(points):
        pool = ThreadPoolExecutor(max(1, job.threads), "kd-tree")
        try:
            _Making(points, tree, shape, job, pool).run()
        finally:
            pool.shutdown(cancel_futures=True)
    job.report(1.0)
    return frozen(tree)


@dataclass(slots=True)
class _Making:
    """A tree being made. `done`: points times levels that are ordered, of `_total`."""

    points: Matrix
    tree: Tree
    shape: Shape
    job: Job
    pool: ThreadPoolExecutor
    done: int = 0

    def run(self) -> None:
        """Split ranges of leaves until they are small, order each of them, fill in leaves and boxes."""
        from pergamum.index.kd_tree import kernels  # noqa: PLC0415  # numba: loaded before anybody builds

        ranges = [(0, self.shape.leaves)]
        while len(halves := self._halved(ranges)) > len(ranges):
            ranges = halves
        self._each(self._arrange, ranges)
        self._each(self._fill, ranges)
        kernels.enclose(self.tree.boxes, self.tree.first)

    def _halved(self, ranges: list[Leaves]) -> list[Leaves]:
        """Split every range that is still large; return all that there are then, in order."""
        from pergamum.index.kd_tree import kernels  # noqa: PLC0415

        large = [leaves for leaves in ranges if (leaves[1] - leaves[0]) * self.shape.leaf_size > PIECE_POINTS]
        self._each(self._split, large)
        cuts = [kernels.cut(*leaves) for leaves in large]
        borders = sorted({border for leaves in ranges for border in leaves}.union(cuts))
        return list(pairwise(borders))

    def _each(self, step: Callable[[Leaves], int], ranges: list[Leaves]) -> None:
        """Do one step for each range, on all threads, and tell how far the build is."""
        for work in self.pool.map(step, ranges):
            self.done += work
            self.job.report(min(1.0, self.done / self._total))

    @property
    def _total(self) -> int:
        """A level of splits for each doubling of the leaves, and one pass to fill them."""
        return self.shape.points * (self.shape.leaves.bit_length() + 1)

    def _split(self, leaves: Leaves) -> int:
        from pergamum.index.kd_tree import kernels  # noqa: PLC0415

        begin, end = self._rows(leaves)
        kernels.split(self.points, self.tree.slots, begin, kernels.cut(*leaves) * self.shape.leaf_size, end)
        return end - begin

    def _arrange(self, leaves: Leaves) -> int:
        from pergamum.index.kd_tree import kernels  # noqa: PLC0415

        begin, end = self._rows(leaves)
        kernels.arrange(self.points, self.tree.slots, self.shape.leaf_size, *leaves)
        return (end - begin) * (leaves[1] - leaves[0]).bit_length()

    def _fill(self, leaves: Leaves) -> int:
        from pergamum.index.kd_tree import kernels  # noqa: PLC0415

        begin, end = self._rows(leaves)
        kernels.fill(self.points, self.tree.leaves, self.tree.boxes, *leaves)
        return end - begin

    def _rows(self, leaves: Leaves) -> tuple[int, int]:
        """Return the rows of a range of leaves."""
        first, last = leaves
        return first * self.shape.leaf_size, min(last * self.shape.leaf_size, self.shape.points)

"""What can be wrong inside a kd-tree: for the doctor."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pergamum.index.kd_tree.tree import FAN, HIGH, LOW, Shape, Slots, Tree


def faults(tree: Tree, count: int) -> Iterator[str]:
    """Yield what is wrong with a tree over slots of [0, count). O(points * d) time, O(points) memory."""
    leaves, dimension, leaf_size = tree.leaves.shape
    shape = Shape(len(tree.slots), dimension, leaf_size)
    if (leaves, tree.boxes.shape) != (shape.leaves, (shape.groups, 2, dimension, FAN)):
        yield f"{leaves} leaves and {len(tree.boxes)} groups do not hold {shape.points} points"
        return
    if not np.array_equal(tree.first, shape.first()):
        yield "the ranges of children do not follow one another"
        return
    yield from _slot_faults(tree.slots, count)
    yield from _leaf_faults(tree, shape)
    yield from _group_faults(tree, shape)


def _slot_faults(slots: Slots, count: int) -> Iterator[str]:
    """Yield slots that do not exist, or appear twice."""
    beyond = slots[(slots < 0) | (slots >= count)]
    for slot in beyond[:10]:
        yield f"slot {slot} does not exist"
    ordered = np.sort(slots)
    for slot in np.unique(ordered[1:][ordered[1:] == ordered[:-1]])[:10]:
        yield f"slot {slot} is in the tree more than once"


def _leaf_faults(tree: Tree, shape: Shape) -> Iterator[str]:
    """Yield leaves with a point outside their box; NaN is outside every box."""
    for leaf in range(shape.leaves):
        used = min(shape.leaf_size, shape.points - leaf * shape.leaf_size)
        points, box = tree.leaves[leaf, :, :used], _box(tree, shape.groups + leaf)
        if not ((points >= box[LOW, :, None]) & (points <= box[HIGH, :, None])).all():
            yield f"leaf {leaf} has a point outside its box"


def _group_faults(tree: Tree, shape: Shape) -> Iterator[str]:
    """Yield groups with a child's box outside their own, below the root, which has none."""
    for group in range(1, shape.groups):
        used, box = tree.first[group + 1] - tree.first[group], _box(tree, group)
        low, high = tree.boxes[group, LOW, :, :used], tree.boxes[group, HIGH, :, :used]
        if not ((low >= box[LOW, :, None]) & (high <= box[HIGH, :, None])).all():
            yield f"group {group} has a child outside its box"


def _box(tree: Tree, node: int) -> npt.NDArray[np.float32]:
    """Return the box of a node but the root, (2, d), as its parent has it."""
    parent = int(np.searchsorted(tree.first, node, side="right")) - 1
    box: npt.NDArray[np.float32] = tree.boxes[parent, :, :, node - int(tree.first[parent])]
    return box

"""What can be wrong with a graph, for the doctor."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pergamum.index.arrays import readonly
from pergamum.index.hnsw.graph import ABSENT, NONE, Graph
from pergamum.index.hnsw.wide import Wide, links_of


def of_graph(graph: Graph, entry: int, count: int) -> Iterator[str]:
    """Yield links out of range, to oneself, twice or to absent slots, a wrong entry, slots out of reach. O(n * m)."""
    present = graph.levels != ABSENT
    if not present.any():
        if entry >= 0:
            yield f"slot {entry} is the entry of a graph without slots"
        return
    if not 0 <= entry < count or not present[entry] or graph.levels[entry] != graph.levels[present].max():
        yield f"slot {entry} is the entry and not on the highest layer"
        return
    wrong = list(_wrong_links(graph, count))
    yield from wrong
    if not wrong:
        yield from _out_of_reach(graph, entry, present)


def _wrong_links(graph: Graph, count: int) -> Iterator[str]:
    for layer in range(int(graph.levels[graph.levels != ABSENT].max()) + 1):
        slots = np.flatnonzero((graph.levels != ABSENT) & (graph.levels >= layer))
        links = graph.links[slots] if layer == 0 else graph.upper[graph.upper_rows[slots] + layer - 1]
        used = np.logical_and.accumulate(links != NONE, axis=1)
        owners, others = np.repeat(slots, used.sum(axis=1)), links[used].astype(np.int64)
        if (others >= count).any():
            yield f"layer {layer} has links beyond slot {count - 1}"
            continue
        levels = np.where(graph.levels == ABSENT, -1, graph.levels.astype(np.int16))[others]
        pairs = owners * count + others
        for what, found in (
            ("to slots that are not on it", int((levels < layer).sum())),
            ("from a slot to itself", int((owners == others).sum())),
            ("that are there twice", len(pairs) - len(np.unique(pairs))),
        ):
            if found:
                yield f"layer {layer} has {found} links {what}"


def _out_of_reach(graph: Graph, entry: int, present: npt.NDArray[np.bool_]) -> Iterator[str]:
    from pergamum.index.hnsw.build_kernels import spread  # noqa: PLC0415  # numba: loaded by then

    seen = np.zeros(len(present), dtype=np.uint8)
    spread(readonly(graph.links), entry, seen, np.empty(len(present), dtype=np.uint32))
    lost = int(np.count_nonzero(present & (seen == 0)))
    if lost:
        yield f"{lost} slots cannot be reached from the entry"


def of_blocks(wide: Wide, graph: Graph, dimension: int) -> Iterator[str]:
    """Yield blocks that do not begin with the links of the graph, or lead to slots that are not in it. O(n * m)."""
    if not len(wide.blocks):
        return
    count, width = graph.links.shape
    links = links_of(wide.blocks, dimension)
    differ = int((links[:, :width] != graph.links)[graph.links != NONE].sum())
    if differ:
        yield f"{differ} links are others in the blocks than in the graph"
    leading = links[links != NONE]
    if (leading >= count).any() or (graph.levels[leading[leading < count]] == ABSENT).any():
        yield "blocks lead to slots that are not in the graph"

"""What `bounds.py` runs under cachegrind: loads an index that was saved, asks WARM queries, then COUNT more.

    python -m benchmarks.bounds_child FOLDER KIND EFFORT COUNT

Cachegrind runs no AVX-512, so this process takes the processor for an older one.
"""

import sys
from pathlib import Path
from typing import Final

from benchmarks.older_processor import pretend

WARM: Final = 50
"""Queries before those that are counted, at WARM_EFFORT whatever the effort of the others."""
WARM_EFFORT: Final = 20


def main(folder: Path, kind: str, effort: int, count: int) -> None:
    """Search."""
    pretend()
    import numpy as np  # noqa: PLC0415

    from pergamum.index import kernel_cache  # noqa: PLC0415

    kernel_cache.warm_up(Path.home() / ".cache" / "pergamum")  # in this process: a child would see the real processor
    kernel_cache.load()
    from pergamum.index.base import Route, Strategy  # noqa: PLC0415
    from pergamum.index.hnsw.index import HnswIndex  # noqa: PLC0415
    from pergamum.index.ivf.index import IvfIndex  # noqa: PLC0415
    from pergamum.index.mask import SlotMask  # noqa: PLC0415

    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    index = (HnswIndex if kind == "hnsw" else IvfIndex).load(folder / kind)
    strategy = Strategy.GRAPH if kind == "hnsw" else Strategy.PARTITIONS
    queries, live = np.load(folder / "queries.npy"), SlotMask()
    for place in range(WARM + count):
        route = Route(strategy, WARM_EFFORT if place < WARM else effort)
        index.search(queries[place][None], 10, vectors, live, route)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))

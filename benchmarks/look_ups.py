"""What partitions pay for a vector: adding up the table look-ups of its 4-bit codes, block after block.

    python -m benchmarks.look_ups [--codes 50] [--blocks 5000] [--repeats 9]

One thread on one core. 50 codes are 100 dimensions, and 5,000 blocks of them 8 MB. A figure is the median of the
repeats, in brackets their range.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np

from benchmarks.harness import environment, spread
from benchmarks.vector_sets import pinned
from pergamum.index import kernel_cache
from pergamum.index.arrays import readonly


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="The cost of look-ups.")
    parser.add_argument("--codes", type=int, default=50)
    parser.add_argument("--blocks", type=int, default=5_000)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    print(environment())
    if not kernel_cache.prepare():
        raise SystemExit("the kernels could not be compiled")
    found = nanoseconds(options.codes, options.blocks, options.repeats)
    print(f"{options.codes} codes: {spread(found, 2)} ns a vector")


def nanoseconds(codes: int, blocks: int, repeats: int) -> list[float]:
    """Return the nanoseconds a vector of each repeat."""
    from numba import njit  # noqa: PLC0415  # numba is imported by kernel_cache alone, before anything of it

    from pergamum.index.ivf.fastscan import Bytes, Sums  # noqa: PLC0415
    from pergamum.index.ivf.layout import BLOCK, packed  # noqa: PLC0415
    from pergamum.index.ivf.scan_kernels import BODY, fastscan_sums  # noqa: PLC0415

    def added(packed_codes: Bytes, tables: Bytes, sums: Sums) -> None:
        for block in range(blocks):
            fastscan_sums(BODY, packed_codes, block * BLOCK * codes // 2, codes // 2, tables, sums)

    random = np.random.default_rng(0)
    arrays = (
        readonly(packed(random.integers(0, 16, (BLOCK * blocks, codes), dtype=np.uint8)).reshape(-1)),
        random.integers(0, 64, 16 * codes, dtype=np.uint8),
        np.zeros(BLOCK, np.uint16),
    )
    compiled: Callable[..., None] = njit()(added)
    compiled(*arrays)
    found = list[float]()
    with pinned():
        for _ in range(repeats):
            start = time.perf_counter()
            compiled(*arrays)
            found.append(1e9 * (time.perf_counter() - start) / (BLOCK * blocks))
    return found


if __name__ == "__main__":
    main()

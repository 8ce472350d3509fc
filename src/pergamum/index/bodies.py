"""Which bodies of the kernels this processor runs. Nothing is compiled to say so.

Three kinds of kernels have special bodies: the scan of blocks of 8-bit codes, comparisons with 8-bit codes in chosen
rows (a graph's), and fast scans that add up 4-bit look-ups in registers (those of partitions, and of a graph's wide
layout). Each has a portable one too.
"""

from typing import Final

PORTABLE: Final = "portable"
VNNI: Final = "AVX-512 VNNI"
SHUFFLES_512: Final = "AVX-512BW shuffles"
SHUFFLES_256: Final = "AVX2 shuffles"


def bodies() -> dict[str, str]:
    """Return the body in use by kind of kernel: `scan`, `rows`, `fastscan`."""
    from llvmlite import binding  # noqa: PLC0415  # takes a fifth of a second
    from numba import config  # noqa: PLC0415  # takes most of a second

    interpreted = bool(config.DISABLE_JIT)
    return chosen({name for name, there in binding.get_host_cpu_features().items() if there and not interpreted})


def chosen(features: set[str]) -> dict[str, str]:
    """Return the bodies that a processor with these features runs, by LLVM's names for them."""
    dots = VNNI if "avx512vnni" in features else PORTABLE
    wide = SHUFFLES_256 if "avx2" in features else PORTABLE
    return {"scan": dots, "rows": dots, "fastscan": SHUFFLES_512 if "avx512bw" in features else wide}

"""Taking this processor for one whose vector instructions end with AVX2, for cachegrind and for tests.

What is compiled for that is kept apart, as for any other processor.
"""

import os
from typing import Final

from llvmlite import binding

NAME: Final = "haswell"
VECTORS: Final = ("sse3", "ssse3", "sse4.1", "sse4.2", "avx", "avx2", "fma", "f16c")
FEATURES: Final = (*VECTORS, "popcnt", "bmi", "bmi2", "lzcnt", "movbe")


def pretend() -> None:
    """Let everybody who asks find a processor with AVX2 and no more. REQUIRES: numba is not imported yet."""
    features = binding.FeatureMap(dict.fromkeys(FEATURES, True))
    binding.get_host_cpu_name = lambda: NAME
    binding.get_host_cpu_features = lambda: features
    os.environ |= {"NUMBA_CPU_NAME": NAME, "NUMBA_CPU_FEATURES": features.flatten()}

"""What the doctor says of the kernels is what they do."""

import pytest

from pergamum.index.bodies import PORTABLE, SHUFFLES_256, SHUFFLES_512, VNNI, bodies, chosen
from tests.support.kernels import INTERPRETED, prepare_kernels


@pytest.mark.parametrize(
    ("features", "dots", "shuffles"),
    [
        ({"avx512vnni", "avx512bw", "avx2"}, VNNI, SHUFFLES_512),
        ({"avx512bw", "avx2"}, PORTABLE, SHUFFLES_512),
        ({"avx2"}, PORTABLE, SHUFFLES_256),
        (set(), PORTABLE, PORTABLE),
    ],
)
def test_each_processor_runs_the_best_it_has(features: set[str], dots: str, shuffles: str) -> None:
    assert chosen(features) == {"scan": dots, "rows": dots, "fastscan": shuffles}


def test_it_says_what_the_kernels_have_chosen() -> None:
    prepare_kernels()
    from pergamum.index.brute_force import kernels as scan
    from pergamum.index.ivf import scan_kernels as partitions
    from pergamum.index.registers import SHUFFLES

    told = bodies()

    assert (told["scan"] == VNNI) == (told["rows"] == VNNI) == (scan.BODY == scan.VNNI)
    widths = {SHUFFLES_512: 64, SHUFFLES_256: 32}
    used = SHUFFLES[0][0] if partitions.BODY == partitions.SPECIAL else None
    assert widths.get(told["fastscan"]) == used
    assert not INTERPRETED or set(told.values()) == {PORTABLE}

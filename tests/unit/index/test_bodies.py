"""What the doctor says of the kernels is what they do."""

import ast
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from pergamum.index.bodies import PORTABLE, SHUFFLES_256, SHUFFLES_512, VNNI, bodies, chosen
from tests.support.kernels import INTERPRETED, prepare_kernels

ROOT = Path(__file__).resolve().parents[3]


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


OLDER = """
import importlib, sys
from numba import config
config.CACHE_DIR = sys.argv[1]
for module in sys.argv[2:]:
    importlib.import_module(f"pergamum.index.{module}")
from pergamum.index.bodies import bodies
print(bodies())
"""


@pytest.mark.skipif(platform.machine().lower() not in {"x86_64", "amd64"}, reason="no x86 processor compiles for one")
def test_kernels_with_special_bodies_compile_where_there_is_no_avx512(tmp_path: Path) -> None:
    modules = ("brute_force.kernels", "row_kernels", "ivf.kernels", "hnsw.wide_kernels")
    older = "from benchmarks.older_processor import pretend; pretend()"
    command = [sys.executable, "-c", older + OLDER, str(tmp_path), *modules]

    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)

    assert done.returncode == 0, done.stderr[-2000:]
    assert INTERPRETED or ast.literal_eval(done.stdout) == {
        "scan": PORTABLE,
        "rows": PORTABLE,
        "fastscan": SHUFFLES_256,
    }

"""Kernels come from the cache, are compiled elsewhere, and never stand in the way of an answer."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pergamum.domain.vectors import Metric
from pergamum.index import kernel_cache
from pergamum.index.mask import SlotMask
from tests.support.kernels import compiled_only, filled, hard_vectors, prepare_kernels

pytestmark = compiled_only


@pytest.fixture
def compiled() -> Path:
    """The base folder that holds compiled kernels."""
    prepare_kernels()
    return kernel_cache._base()


@pytest.fixture
def forgetful() -> Iterator[None]:
    """Let this process forget that kernels are loaded, and remember afterwards."""
    before = kernel_cache._State.base, kernel_cache._State.private
    kernel_cache._State.ready = False
    yield
    kernel_cache._State.base, kernel_cache._State.private = before
    kernel_cache._State.ready = True


def test_an_index_answers_without_numba() -> None:
    script = """
import sys
import numpy as np
from pergamum.domain.vectors import Metric
from pergamum.index.layered import LayeredIndex
from pergamum.index.mask import SlotMask
vectors = np.eye(3, dtype=np.float32)
print(LayeredIndex.empty(3, Metric.L2).extended(vectors).search(vectors[2:], 1, vectors, SlotMask()).slots[0, 0])
print("numba" in sys.modules)
"""
    assert _run(script).split() == ["2", "False"]


def test_building_the_app_leaves_numba_alone() -> None:
    script = """
import sys
import pergamum.app
print("numba" in sys.modules)
"""
    assert _run(script).split() == ["False"]


def test_loading_gives_way_to_requests_and_takes_that_back(compiled: Path) -> None:
    script = f"""
import gc, sys
from pathlib import Path
from pergamum.index import kernel_cache
kernel_cache.configure(Path({str(compiled)!r}))
seen, load = [], kernel_cache._import_from
kernel_cache._import_from = lambda *each: (seen.append((sys.getswitchinterval(), kernel_cache.ready())), load(*each))
usual = sys.getswitchinterval()
kernel_cache.load()
print([(interval < usual, ready) for interval, ready in seen], sys.getswitchinterval() == usual, gc.isenabled())
print(all("pergamum.index." + name in sys.modules for name in kernel_cache._FOR_SEARCHES + kernel_cache._OTHERS))
"""
    assert _run(script) == "[(True, False), (True, True)] True True\nTrue\n"


def test_loading_takes_everything_from_the_cache(compiled: Path) -> None:
    script = f"""
from pathlib import Path
from pergamum.index import kernel_cache
kernel_cache.configure(Path({str(compiled)!r}))
print(kernel_cache.load(), kernel_cache.ready())
from numba.core.registry import CPUDispatcher
from pergamum.index import distance_kernels, heap, quantize_kernels
from pergamum.index.brute_force import kernels
found = [f for m in (distance_kernels, heap, quantize_kernels, kernels) for f in vars(m).values()
         if isinstance(f, CPUDispatcher)]
print(len(found) > 10, sum(sum(f.stats.cache_misses.values()) for f in found))
"""
    assert _run(script).split() == ["True", "True", "True", "0"]


def test_an_incomplete_cache_is_not_loaded(tmp_path: Path, forgetful: None) -> None:
    kernel_cache.configure(tmp_path)

    assert not kernel_cache.load()
    assert not kernel_cache.ready()


def test_a_base_folder_that_cannot_be_written_is_replaced(
    compiled: Path, forgetful: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    tried: list[Path] = []

    def compile_by_copying(base: Path) -> bool:
        tried.append(base)
        if base.is_relative_to(tmp_path):
            return False
        shutil.copytree(kernel_cache._folder(compiled), kernel_cache._folder(base))  # of these kernels alone
        return True

    monkeypatch.setattr(kernel_cache, "_compile_in_child", compile_by_copying)
    kernel_cache.configure(tmp_path / "file" / "under")

    assert kernel_cache.prepare()
    assert len(tried) == 2


def test_a_child_that_cannot_write_fails_and_says_so(
    tmp_path: Path, forgetful: None, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    caplog.set_level("WARNING")

    assert not kernel_cache._compile_in_child(tmp_path / "file")
    assert "cannot compile kernels" in caplog.text


def test_the_name_of_the_folder_follows_the_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    before = kernel_cache._fingerprint()
    kernel_cache._fingerprint.cache_clear()
    monkeypatch.setattr(kernel_cache, "_processor", lambda: "another")

    try:
        assert kernel_cache._fingerprint() != before
    finally:
        kernel_cache._fingerprint.cache_clear()


def test_searches_during_loading_are_answered(compiled: Path, forgetful: None) -> None:
    vectors = hard_vectors("normal", 50, 6, 1)
    index = filled(vectors, Metric.COSINE)

    before = index.search(vectors[:3], 5, vectors, SlotMask())
    kernel_cache.configure(compiled)
    assert kernel_cache.load()
    after = index.search(vectors[:3], 5, vectors, SlotMask())

    np.testing.assert_array_equal(before.slots, after.slots)


def _run(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout

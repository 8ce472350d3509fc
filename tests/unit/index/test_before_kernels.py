"""Until the kernels are loaded NumPy answers; when they come while it looks, they answer, and nothing else differs."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index import kernel_cache
from pergamum.index.base import Neighbours, Route, Strategy
from pergamum.index.brute_force import fallback
from pergamum.index.brute_force.index import BruteForceIndex
from pergamum.index.layered import LayeredIndex
from pergamum.index.mask import SlotMask
from tests.support.built import build, truth
from tests.support.kernels import assert_same, compiled_only, prepare_kernels, using

VECTORS = np.random.default_rng(0).standard_normal((3_000, 512)).astype(np.float32)
LIVE = SlotMask()
Search = Callable[[Matrix], Neighbours]


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    prepare_kernels()


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many slots each look of NumPy's takes; the kernels are ready after the first one."""
    found, look = list[int](), fallback._look

    def counted(metric: Metric, queries: Matrix, slots: np.ndarray, rows: Matrix, nearest: list) -> None:  # type: ignore[type-arg]
        look(metric, queries, slots, rows, nearest)
        found.append(len(slots))
        kernel_cache._State.ready = True

    monkeypatch.setattr(fallback, "_look", counted)
    with using("numpy"):
        yield found


def _scan() -> Search:
    index = BruteForceIndex.empty(512, Metric.L2).extended(VECTORS)
    return lambda queries: index.search(queries, 10, VECTORS, LIVE)


def _built() -> Search:
    tail = LayeredIndex.empty(512, Metric.L2).extended(VECTORS)
    index = tail.with_built(build("kd_tree", VECTORS, Metric.L2), VECTORS)
    return lambda queries: index.search(queries, 10, VECTORS, LIVE, Route(Strategy.TREE))


@compiled_only
@pytest.mark.parametrize("made", [_scan, _built])
def test_kernels_that_come_meanwhile_answer(made: Callable[[], Search], looks: list[int]) -> None:
    kernel_cache._State.ready = True
    search = made()
    kernel_cache._State.ready = False

    found = search(VECTORS[:2])

    assert len(looks) == 1
    assert looks[0] < len(VECTORS)
    assert_same(found, truth(Metric.L2, VECTORS[:2], 10, VECTORS, LIVE))


def test_an_answer_that_is_complete_is_given(looks: list[int]) -> None:
    few = VECTORS[:100]

    found = fallback.before_kernels(Metric.L2, few[:2], 200, few, LIVE)

    assert len(looks) == 1
    assert found is not None
    assert_same(found, truth(Metric.L2, few[:2], 200, few, LIVE))

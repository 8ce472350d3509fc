"""The same graph for any number of threads; growing and mending keep it whole; a cancelled build leaves no trace."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.domain.vectors import Matrix, Metric
from pergamum.errors import Cancelled
from pergamum.index.base import Job
from pergamum.index.hnsw.graph import ABSENT, MOST_LEVELS, NONE, empty_graph, levels_of
from pergamum.index.hnsw.index import MEND_SHARE, HnswIndex
from pergamum.index.hnsw.params import HnswParams, Layout
from pergamum.index.mask import SlotMask
from tests.support.built import (
    ALL,
    assert_lawful,
    assert_same_graph,
    clustered,
    graph,
    quiet,
    recall,
    some_dead,
    truth,
    walked,
)
from tests.support.kernels import KINDS, compiled_only, hard_vectors, prepare_kernels

metrics = pytest.mark.parametrize("metric", list(Metric))
layouts = pytest.mark.parametrize("layout", list(Layout))
FIRST_ON_LAYER_TWO = 558
"""The slot that is the first with a level of 2, by `levels_of`."""


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    prepare_kernels()


def _linked(index: HnswIndex) -> set[int]:
    """All slots that a slot of the graph links to on the lowest layer."""
    links = index.graph.links[index.graph.levels != ABSENT]
    return set(links[links != NONE].tolist())


@compiled_only
@metrics
@pytest.mark.parametrize("threads", [2, 3])
def test_the_graph_is_the_same_for_any_number_of_threads(metric: Metric, threads: int) -> None:
    vectors, live = clustered(6000, 16), some_dead(4000, 0.3)

    alone, together = (graph(vectors[:4000], metric, threads=count) for count in (1, threads))
    grown, beside = (each.grown(vectors, live, quiet(count)) for each, count in ((alone, 1), (together, threads)))

    assert_same_graph(alone, together)
    assert_same_graph(grown, beside)


def test_a_small_graph_is_the_same_for_two_threads() -> None:
    vectors = clustered(90, 5)

    assert_same_graph(graph(vectors), graph(vectors, threads=2))


def _documents(count: int, seed: int) -> Matrix:
    """Return chunks as they arrive: 50 of one document, near each other, then 50 of the next."""
    random = np.random.default_rng(seed)
    centres = np.repeat(2.5 * random.standard_normal((count // 50, 1, 24)), 50, axis=1)
    return np.asarray(centres + random.standard_normal(centres.shape), np.float32).reshape(-1, 24)


def _shuffled(vectors: Matrix) -> Matrix:
    return np.random.default_rng(0).permutation(vectors)


@compiled_only
@layouts
def test_chunks_that_arrive_document_by_document_are_found_as_well_as_shuffled_ones(layout: Layout) -> None:
    vectors, params = _documents(6000, seed=0), HnswParams(layout=layout)
    queries = vectors[::40] + np.float32(0.1)
    found = list[float]()

    for base in (vectors, _shuffled(vectors)):
        true = truth(Metric.L2, queries, 10, base, ALL)
        index = HnswIndex.build(base, Metric.L2, ALL, params, quiet())
        found.append(recall(walked(index, queries, base, 40), true))

    assert found[0] >= found[1] - 0.02
    assert found[1] >= 0.9


@compiled_only
@layouts
def test_a_graph_that_grows_by_documents_finds_as_much_as_one_of_all(layout: Layout) -> None:
    vectors, params = _documents(5000, seed=1), HnswParams(layout=layout)
    queries = vectors[3001::20] + np.float32(0.1)
    true = truth(Metric.L2, queries, 10, vectors, ALL)

    whole = HnswIndex.build(vectors, Metric.L2, ALL, params, quiet())
    grown = HnswIndex.build(vectors[:3000], Metric.L2, ALL, params, quiet())
    for end in range(3050, len(vectors) + 1, 50):
        grown = grown.grown(np.ascontiguousarray(vectors[:end]), ALL, quiet())

    at_once, later = (recall(walked(index, queries, vectors, 40), true) for index in (whole, grown))
    assert later >= at_once - 0.03
    assert list(grown.faults()) == []


@compiled_only
@metrics
def test_a_graph_grown_from_half_finds_as_much(metric: Metric) -> None:
    vectors, queries = clustered(8000, 24), clustered(100, 24, seed=2)
    true = truth(metric, queries, 10, vectors, ALL)

    whole, grown = graph(vectors, metric), graph(vectors[:4000], metric).grown(vectors, ALL, quiet())

    at_once, later = (recall(walked(index, queries, vectors, 40), true) for index in (whole, grown))
    assert later >= at_once - 0.01
    assert list(grown.faults()) == []


@compiled_only
@metrics
def test_mending_takes_the_dead_out_and_keeps_recall(metric: Metric) -> None:
    vectors, queries = clustered(9000, 24), clustered(100, 24, seed=2)
    live = some_dead(6000, 0.3)
    older = graph(vectors[:6000], metric)

    grown = older.grown(vectors, live, quiet(2))

    anew = graph(vectors, metric, live)
    true = truth(metric, queries, 10, vectors, live)
    kept, best = (recall(walked(index, queries, vectors, 40, live), true) for index in (grown, anew))
    assert kept >= best - 0.01
    assert list(grown.faults()) == []
    assert not _linked(grown) & set(np.flatnonzero(~live.flags(9000)).tolist())
    np.testing.assert_array_equal(grown.graph.levels == ABSENT, ~live.flags(9000))


@pytest.mark.parametrize("share", [MEND_SHARE / 2, 3 * MEND_SHARE])
def test_few_dead_slots_stay_as_stepping_stones(share: float) -> None:
    vectors, live = clustered(150, 6), ALL.without(range(int(100 * share)))

    grown = graph(vectors[:100]).grown(vectors, live, quiet())

    mended = share > MEND_SHARE
    assert (grown.graph.levels[: int(100 * share)] == ABSENT).all() == mended
    assert_lawful(walked(grown, vectors[:5], vectors, 50, live), Metric.L2, vectors[:5], 10, vectors, live)
    assert list(grown.faults()) == []


@compiled_only
def test_mending_does_not_enter_by_a_slot_that_is_yet_to_be_inserted() -> None:
    count = FIRST_ON_LAYER_TWO
    vectors = clustered(count + 40, 8)
    live = some_dead(count, 0.3)

    grown = graph(vectors[:count]).grown(vectors, live, quiet())

    assert grown.entry == count
    assert list(grown.faults()) == []
    assert recall(walked(grown, vectors, vectors, 50, live), truth(Metric.L2, vectors, 10, vectors, live)) >= 0.99


def test_growing_after_all_have_died() -> None:
    vectors, live = clustered(90, 6), ALL.without(range(50))

    gone = graph(vectors[:50]).grown(vectors[:50], live, quiet())
    grown, reborn = (each.grown(vectors, live, quiet()) for each in (graph(vectors[:50]), gone))

    assert gone.entry == -1
    for index in (gone, grown, reborn):
        assert list(index.faults()) == []
    for index in (grown, reborn):
        assert index.entry >= 50
        assert_lawful(walked(index, vectors[:3], vectors, 20, live), Metric.L2, vectors[:3], 10, vectors, live)


@compiled_only
@pytest.mark.parametrize("kind", KINDS)
@metrics
def test_every_slot_is_in_reach_whatever_the_vectors(kind: str, metric: Metric) -> None:
    vectors = hard_vectors(kind, 1500, 6, 1)
    live = some_dead(1000, 0.3)

    index = graph(vectors[:1000], metric)
    grown = index.grown(vectors, live, quiet())

    assert list(index.faults()) == []
    assert list(grown.faults()) == []


@compiled_only
@given(
    steps=st.lists(st.tuples(st.integers(0, 60), st.sampled_from([0.0, 0.05, 0.5])), max_size=4),
    m=st.sampled_from([4, 16]),
    kind=st.sampled_from(["normal", "duplicates", "equal", "small integers"]),
    seed=st.integers(0, 1000),
)
def test_any_history_leaves_a_whole_graph(steps: list[tuple[int, float]], m: int, kind: str, seed: int) -> None:
    vectors = hard_vectors(kind, 20 + sum(size for size, _ in steps), 5, seed)
    live, count = ALL, 20
    index = graph(vectors[:count], params={"m": m, "ef_construction": 16})

    for size, share in steps:
        dying = np.flatnonzero(np.random.default_rng(seed + count).random(count) < share)
        live, count = live.without(dying.tolist()), count + size
        index = index.grown(vectors[:count], live, quiet())

        assert list(index.faults()) == []
        assert index.count == count
        assert_lawful(
            walked(index, vectors[:2], vectors, 20, live, k=5), Metric.L2, vectors[:2], 5, vectors[:count], live
        )


@compiled_only
@pytest.mark.parametrize("threads", [1, 2])
def test_a_build_can_be_cancelled_at_any_report(threads: int) -> None:
    vectors, live = clustered(900, 8), some_dead(600, 0.3)
    older = graph(vectors[:600])
    before = older.grown(vectors, live, quiet())
    shares: list[float] = []
    older.grown(vectors, live, Job(threads, shares.append))
    workers = threading.active_count()

    for last in range(len(shares)):
        calls = iter(range(len(shares)))

        def report(_share: float, calls: Iterator[int] = calls, last: int = last) -> None:
            if next(calls) == last:
                raise Cancelled

        with pytest.raises(Cancelled):
            older.grown(vectors, live, Job(threads, report))

    assert threading.active_count() == workers
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert_same_graph(older.grown(vectors, live, quiet()), before)


@compiled_only
def test_progress_is_told_by_the_calling_thread() -> None:
    tellers: set[int] = set()

    graph_of = HnswIndex.build(
        clustered(1500, 8),
        Metric.L2,
        ALL,
        graph(clustered(2, 8)).params,
        Job(3, lambda _: tellers.add(threading.get_ident())),
    )

    assert graph_of.count == 1500
    assert tellers == {threading.get_ident()}


def test_slots_dead_from_the_start_are_left_out() -> None:
    vectors, live = clustered(120, 6), some_dead(120, 0.5)

    index = graph(vectors, live=live)

    assert _linked(index) <= set(np.flatnonzero(live.flags(120)).tolist())
    assert list(index.faults()) == []


def test_a_mask_that_is_too_short_or_too_long_fits() -> None:
    vectors = clustered(70, 6)

    short, long = graph(vectors, live=SlotMask()), graph(vectors, live=some_dead(500, 0.0))

    assert_same_graph(short, long)


@given(start=st.integers(0, 10**6), many=st.integers(0, 50), m=st.integers(4, 64))
def test_a_slot_has_the_same_level_in_every_build(start: int, many: int, m: int) -> None:
    levels = levels_of(range(start, start + many), m)

    assert levels.tolist() == levels_of(range(start + many), m)[start:].tolist() if start < 2000 else True
    assert levels.max(initial=0) <= MOST_LEVELS


def test_a_layer_holds_the_mth_part_of_the_one_below() -> None:
    levels = levels_of(range(200_000), 16)

    for layer in (1, 2, 3):
        assert (levels >= layer).sum() == pytest.approx(200_000 / 16**layer, rel=0.3)
    assert (levels[:FIRST_ON_LAYER_TWO] < 2).all()
    assert levels[FIRST_ON_LAYER_TWO] == 2


def test_an_empty_graph_has_room_for_every_layer() -> None:
    made = empty_graph(np.array([0, 2, ABSENT, 1], np.uint8), 4)

    assert made.links.shape == (4, 8)
    assert made.upper.shape == (3, 4)
    assert made.upper_rows.tolist() == [0, 0, 2, 2]
    assert (made.links == NONE).all()
    assert made.links.ctypes.data % 64 == 0

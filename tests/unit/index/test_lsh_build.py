"""Building, growing, saving and loading hash tables; parameters."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pergamum.domain.vectors import Metric
from pergamum.errors import Cancelled, Damaged, InvalidField, NewerFormat
from pergamum.index.base import Job
from pergamum.index.lsh import snapshot
from pergamum.index.lsh.index import LshIndex
from pergamum.index.lsh.params import LshParams, check_metric
from pergamum.index.mask import SlotMask
from tests.support.kernels import assert_same, compiled_only, oracle, prepare_kernels
from tests.support.lsh import asked, built, clustered, quiet, recall

METRICS = list(Metric)


@pytest.fixture(scope="module", autouse=True)
def _kernels() -> None:
    prepare_kernels()


def contents(index: LshIndex) -> list[bytes]:
    hashes, tables = index.hashes, index.tables
    arrays = (hashes.center, hashes.signs, hashes.cells, tables.starts, tables.slots, tables.factors)
    return [array.tobytes() for array in arrays]


@compiled_only
@pytest.mark.parametrize("metric", METRICS)
def test_the_index_is_the_same_for_any_number_of_threads(metric: Metric) -> None:
    vectors = clustered(9000, 10)

    one, four = (LshIndex.build(vectors, metric, SlotMask(), LshParams(), quiet(threads)) for threads in (1, 4))

    assert contents(one) == contents(four)
    assert contents(one) != contents(built(vectors, metric, seed=1))


@pytest.mark.parametrize("metric", METRICS)
def test_growing_files_the_new_and_forgets_the_dead(metric: Metric) -> None:
    vectors, late = clustered(300, 9), clustered(100, 9, seed=5) * np.float32(0.5)
    together, dead = np.concatenate([vectors, late]), np.arange(0, 400, 7)
    live = SlotMask().without(dead)

    grown = built(vectors, metric, tables=3, bits=4).grown(together, live, quiet(2))

    assert grown.count == 400
    assert list(grown.faults()) == []
    assert grown.origin == 300
    assert sorted(grown.tables.slots[0]) == sorted(set(range(400)) - set(dead.tolist()))
    queries = clustered(5, 9, seed=2)
    assert_same(asked(grown, queries, together, grown.buckets, live), oracle(metric, queries, 10, together, live))


def test_a_grown_index_finds_what_a_fresh_one_finds() -> None:
    vectors = clustered(400, 9)
    fresh = built(vectors, Metric.COSINE, tables=3, bits=4)
    hashes = fresh.hashes

    small = LshIndex.build(vectors[:300], Metric.COSINE, SlotMask(), LshParams(tables=3, bits=4), quiet())
    grown = small.grown(vectors, SlotMask(), quiet())

    assert not np.array_equal(grown.hashes.center, hashes.center)
    again = LshIndex.build(vectors[:300], Metric.COSINE, SlotMask(), LshParams(tables=3, bits=4), quiet())
    assert contents(grown) == contents(again.grown(vectors, SlotMask(), quiet(3)))


@pytest.mark.parametrize(
    ("metric", "factor", "origin"), [(Metric.COSINE, 100.0, 20), (Metric.DOT, 100.0, 30), (Metric.L2, 100.0, 30)]
)
def test_vectors_too_long_for_the_scale_mean_a_new_build(metric: Metric, factor: float, origin: int) -> None:
    vectors = clustered(30, 5)
    vectors[20:] *= np.float32(factor)

    grown = built(vectors[:20], metric, tables=2, bits=2).grown(vectors, SlotMask(), quiet())

    assert grown.origin == origin
    assert list(grown.faults()) == []


def test_twice_as_many_vectors_mean_a_new_build() -> None:
    vectors = clustered(130, 5)

    grown = built(vectors[:64], Metric.COSINE).grown(vectors, SlotMask(), quiet())

    assert grown.origin == 130
    assert contents(grown) == contents(built(vectors, Metric.COSINE))


@compiled_only
def test_recall_holds_after_growth_and_deletion() -> None:
    vectors, queries = clustered(20_000, 24), clustered(50, 24, seed=2)
    live = SlotMask().without(np.random.default_rng(0).choice(14_000, 4_000, replace=False))

    grown = built(vectors[:14_000], Metric.COSINE).grown(vectors, live, quiet())

    true = oracle(Metric.COSINE, queries, 10, vectors, live)
    assert recall(asked(grown, queries, vectors, 400, live), true) >= 0.95


@pytest.mark.parametrize("after", [1, 2, 3, 4])
@pytest.mark.parametrize("growing", [False, True])
def test_a_build_can_be_cancelled_wherever_it_reports(after: int, growing: bool) -> None:
    vectors, reports = clustered(60, 4), list[float]()
    index = built(vectors[: 50 if growing else 0], Metric.L2, tables=3)

    def report(share: float) -> None:
        reports.append(share)
        if len(reports) == after:
            raise Cancelled

    with pytest.raises(Cancelled):
        index.grown(vectors, SlotMask(), Job(1, report))
    assert reports == sorted(reports)
    assert all(0 <= share <= 1 for share in reports)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("count", [0, 200])
def test_what_is_saved_is_loaded(metric: Metric, count: int, tmp_path: Path) -> None:
    vectors = clustered(200, 9)
    index = built(vectors[:count], metric, tables=3, bits=5, seed=7)
    index.save(tmp_path)

    loaded = LshIndex.load(tmp_path)

    assert contents(loaded) == contents(index)
    assert (loaded.metric, loaded.count, loaded.params) == (metric, count, index.params)
    assert list(loaded.faults()) == []
    assert_same(asked(loaded, vectors[:4], vectors, 9), asked(index, vectors[:4], vectors, 9))
    assert contents(loaded.grown(vectors, SlotMask(), quiet())) == contents(index.grown(vectors, SlotMask(), quiet()))


def test_a_flipped_bit_anywhere_is_found(tmp_path: Path) -> None:
    built(clustered(40, 4), Metric.L2, tables=2, bits=3).save(tmp_path)
    path = tmp_path / snapshot.NAME
    whole = path.read_bytes()

    for at in [*range(snapshot._SIZE), *range(snapshot._SIZE, len(whole), 37), len(whole) - 1]:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        with pytest.raises(Damaged):
            LshIndex.load(tmp_path)


@pytest.mark.parametrize(
    "change", [lambda whole: whole[:-1], lambda whole: whole + b"\0", lambda whole: whole[:50], lambda _: b""]
)
def test_another_length_is_found(change: Callable[[bytes], bytes], tmp_path: Path) -> None:
    built(clustered(40, 4), Metric.DOT).save(tmp_path)
    path = tmp_path / snapshot.NAME
    path.write_bytes(change(path.read_bytes()))

    with pytest.raises(Damaged):
        LshIndex.load(tmp_path)


def test_a_newer_format_and_a_missing_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(Damaged):
        LshIndex.load(tmp_path)
    built(clustered(10, 4), Metric.DOT).save(tmp_path)
    path = tmp_path / snapshot.NAME
    whole = path.read_bytes()
    path.write_bytes(whole[:8] + (9).to_bytes(4, "little") + whole[12:])

    with pytest.raises(NewerFormat):
        LshIndex.load(tmp_path)


def test_the_doctor_sees_tables_that_disagree() -> None:
    index = built(clustered(40, 4), Metric.L2, tables=2, bits=2)
    slots, starts = index.tables.slots.copy(), index.tables.starts.copy()
    slots[1, :2] = slots[1, 1::-1]
    slots[0, 5] = slots[0, 6]
    starts[1, 1] = 1000

    broken = LshIndex(
        *(index.dimension, index.metric, index.count, index.origin, index.params, index.hashes),
        index.tables._replace(slots=slots, starts=starts),
    )

    faults = " ".join(broken.faults())
    assert "do not follow" in faults
    assert "appears twice" in faults
    assert "does not hold the slots" in faults


@pytest.mark.parametrize(
    "params",
    [
        {"trees": 3},
        {"tables": 0},
        {"tables": 129},
        {"tables": True},
        {"bits": "12"},
        {"bits": 19},
        {"recall": 1.0},
        {"recall": 0},
        {"seed": -1},
        {"seed": 1.5},
    ],
)
def test_bad_parameters_are_refused_by_name(params: dict[str, object]) -> None:
    with pytest.raises(InvalidField) as refused:
        LshParams.of(params)

    assert refused.value.facts["field"] == f"index.params.{next(iter(params))}"


def test_parameters_left_out_are_chosen() -> None:
    assert LshParams.of({"tables": 3, "bits": 7, "seed": 2}).chosen(10**6) == (3, 7)
    assert LshParams().chosen(0) == (16, 2)
    assert LshParams().chosen(200_000) == (16, 15)
    assert LshParams(recall=0.999).chosen(10**9) == (32, 18)
    for metric in METRICS:
        check_metric(metric)

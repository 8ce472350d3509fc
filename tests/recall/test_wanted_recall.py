"""The recall that is asked for is the recall there is, on real vectors and queries the index has never seen.

A subset, so that it takes seconds; benchmarks/wanted_recall.py does the same on the whole sets.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pergamum.domain.vectors import Matrix
from pergamum.engine.view import View
from pergamum.index.mask import SlotMask
from tests.support.kernels import compiled_only, prepare_kernels
from tests.support.planned import (
    built_view,
    found_slots,
    grown,
    load,
    masks_by_distance,
    random_directions,
    random_mask,
    recall_of,
    search,
    without,
)

COUNT = 20_000
WITHIN = 0.01
pytestmark = [compiled_only, pytest.mark.xdist_group("much memory")]
wanted_recalls = pytest.mark.parametrize("wanted", [0.9, 0.95, 0.99])


@dataclass(frozen=True, slots=True)
class Ground:
    view: View
    more: Matrix
    queries: Matrix


@pytest.fixture(
    scope="module",
    params=[f"{kind} of {name}" for name in ("words-100", "sentences-384") for kind in ("hnsw", "hnsw compact", "ivf")],
)
def ground(request: pytest.FixtureRequest, data_folder: Path) -> Ground:
    prepare_kernels()
    kind, _, name = request.param.partition(" of ")
    vectors = load(data_folder, name, COUNT)
    return Ground(built_view(kind, vectors.base), vectors.more, vectors.queries)


def assert_holds(view: View, queries: Matrix, wanted: float, allowed: SlotMask | None = None, k: int = 10) -> None:
    found = search(view, queries, k, wanted, allowed)
    assert found.plan.expected_recall >= wanted
    assert recall_of(view, queries, found, allowed) >= wanted - WITHIN
    matching = k if allowed is None else min(k, view.state.next_slot - allowed.dead)
    assert set(found_slots(found)) == {matching}


@wanted_recalls
def test_of_queries_like_the_data(ground: Ground, wanted: float) -> None:
    assert_holds(ground.view, ground.queries, wanted)


@wanted_recalls
def test_of_a_hundred_hits(ground: Ground, wanted: float) -> None:
    assert_holds(ground.view, ground.queries[:300], wanted, k=100)


@wanted_recalls
def test_after_a_third_was_deleted(ground: Ground, wanted: float) -> None:
    assert_holds(without(ground.view, 0.3), ground.queries, wanted)


@wanted_recalls
def test_after_as_many_were_inserted(ground: Ground, wanted: float) -> None:
    assert_holds(grown(ground.view, ground.more), ground.queries, wanted)


@wanted_recalls
def test_of_queries_unlike_the_data(ground: Ground, wanted: float) -> None:
    assert_holds(ground.view, random_directions(300, ground.queries.shape[1]), wanted)


@wanted_recalls
@pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.001])
def test_with_a_random_filter(ground: Ground, share: float, wanted: float) -> None:
    assert_holds(ground.view, ground.queries[:400], wanted, random_mask(COUNT, share))


@wanted_recalls
@pytest.mark.parametrize("share", [0.5, 0.1, 0.01])
@pytest.mark.parametrize("near", [True, False], ids=["near the query", "far from the query"])
def test_with_a_filter_that_goes_by_distance(ground: Ground, share: float, near: bool, wanted: float) -> None:
    queries = ground.queries[:40] / np.linalg.norm(ground.queries[:40], axis=1, keepdims=True)
    recalls = []
    for number in range(len(queries)):
        query = queries[number : number + 1]
        allowed = masks_by_distance(ground.view, query, share)[0 if near else 1]
        found = search(ground.view, query, 10, wanted, allowed)
        recalls.append(recall_of(ground.view, query, found, allowed))
        assert found_slots(found) == [min(10, round(share * COUNT))]

    assert np.mean(recalls) >= wanted - WITHIN


def test_exact_means_exact(ground: Ground) -> None:
    found = search(ground.view, ground.queries[:50], 10, "exact")

    assert found.plan.exact
    assert recall_of(ground.view, ground.queries[:50], found) == 1.0


def test_the_index_is_really_used(ground: Ground) -> None:
    found = search(ground.view, ground.queries[:1], 10, 0.9)

    assert ground.view.index is not None
    assert found.plan.kind == ("graph" if ground.view.index.kind == "hnsw" else "partitions")

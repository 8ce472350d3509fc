"""A bounded heap keeps the smallest pairs and sorts them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.kernels import prepare_kernels

few_keys = st.sampled_from([0.0, -1.5, 2.0, float("inf"), float("-inf"), 1e-300])


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    prepare_kernels()


@given(keys=st.lists(few_keys, max_size=60), capacity=st.integers(1, 20), seed=st.integers(0, 100))
def test_the_smallest_pairs_are_kept_in_order(keys: list[float], capacity: int, seed: int) -> None:
    from pergamum.index import heap

    slots = np.random.default_rng(seed).permutation(len(keys))
    kept, owners, size = np.full(capacity, np.nan), np.full(capacity, -7), 0

    for key, slot in zip(keys, slots, strict=True):
        size = heap.push_bounded(kept, owners, size, key, slot)
    heap.sort(kept, owners, size)

    expected = sorted(zip(keys, slots.tolist(), strict=True))[:capacity]
    assert list(zip(kept[:size].tolist(), owners[:size].tolist(), strict=True)) == expected


@given(keys=st.lists(few_keys, min_size=1, max_size=40))
def test_popping_takes_the_largest_first(keys: list[float]) -> None:
    from pergamum.index import heap

    held, slots = np.empty(len(keys)), np.arange(len(keys))
    for size, key in enumerate(keys):
        heap.sift_up(held, slots, size, key, size)

    taken, size = [], len(keys)
    while size:
        taken.append((held[0], slots[0]))
        size = heap.pop(held, slots, size)

    assert taken == sorted(zip(keys, range(len(keys)), strict=True), reverse=True)

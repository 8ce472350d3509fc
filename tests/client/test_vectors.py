"""Vectors of anybody's make, on the wire and back."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pergamum.client import Library, decoded
from pergamum.client.vectors import VectorLike, encoded, matrix

NUMBERS = [1.5, -2.0, 3.25]


class Tensor:
    """What a torch tensor is to NumPy."""

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray[Any, Any]:  # noqa: ANN401  # as NumPy declares it
        return np.array(NUMBERS, *args, **kwargs)


MAKERS: dict[str, Callable[[], VectorLike]] = {
    "a list": lambda: NUMBERS,
    "a tuple": lambda: tuple(NUMBERS),
    "float32": lambda: np.array(NUMBERS, np.float32),
    "float64": lambda: np.array(NUMBERS),
    "float16": lambda: np.array(NUMBERS, np.float16),
    "big-endian": lambda: np.array(NUMBERS, ">f4"),
    "every second one": lambda: np.repeat(np.array(NUMBERS, np.float32), 2)[::2],
    "a column of a matrix": lambda: np.array([NUMBERS, NUMBERS], np.float32, order="F")[0],
    "a pandas Series": lambda: pd.Series(NUMBERS),
    "a polars Series": lambda: pl.Series(NUMBERS),
    "an Arrow array": lambda: pa.array(NUMBERS),
    "a chunked Arrow array": lambda: pa.chunked_array([NUMBERS[:1], NUMBERS[1:]]),
    "a cell of an Arrow table": lambda: pa.table({"vector": [NUMBERS]})["vector"][0],
    "a tensor": Tensor,
}


@pytest.mark.parametrize("kind", MAKERS)
def test_any_vector_is_sent_as_float32(kind: str) -> None:
    back = decoded(encoded(MAKERS[kind]()))

    assert back.dtype == np.float32
    assert back.tolist() == NUMBERS


@given(arrays.arrays(np.float32, st.integers(1, 50)))
def test_float32_comes_back_bit_by_bit(vector: np.ndarray[Any, np.dtype[np.float32]]) -> None:
    back = decoded(encoded(vector))

    assert back.tobytes() == vector.tobytes()
    assert back.flags.writeable


@pytest.mark.parametrize("vector", [[], np.empty((0,), np.float32), [[1.0, 2.0]], np.ones((2, 2), np.float32), 3.0])
def test_what_is_no_row_of_numbers_is_refused(vector: Any) -> None:  # noqa: ANN401  # anything is tried
    with pytest.raises(ValueError, match="one row of numbers"):
        encoded(vector)


def test_a_matrix_has_one_row_a_text() -> None:
    assert matrix([NUMBERS, Tensor()], 2).tolist() == [NUMBERS, NUMBERS]
    assert matrix([], 0).shape == (0, 0)
    with pytest.raises(ValueError, match="expected 3 vectors"):
        matrix([NUMBERS], 3)


def test_searches_take_vectors_of_any_make(vectors: Library) -> None:
    vectors.documents.add(id="d", chunks=[{"text": "a", "embedding": pl.Series([1.0, 2.0])}])

    found = vectors.search(vector=pd.Series([1.0, 2.0]))
    many = vectors.search_many(np.array([[1.0, 2.0], [0.0, 0.0]]))

    assert found[0].distance == 0
    assert [answer[0].distance for answer in many] == [0, pytest.approx(5**0.5)]

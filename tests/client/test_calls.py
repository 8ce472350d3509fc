"""Requests as values: paths, bodies and vectors, without a network."""

import json

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pergamum.client import NewChunk, NewDocument, Query, calls, decoded
from pergamum.client.batching import batches
from pergamum.client.call import path
from pergamum.client.vectors import encoded

ids = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=256)


@given(id=ids)
def test_an_id_survives_the_path_of_a_url(id: str) -> None:
    """As a server sees it: cut at slashes first, then decoded."""
    url = httpx.URL("http://pergamum.test").join(httpx.URL(path("libraries", "x", "documents", id)))
    sent = httpx.Client(base_url="http://pergamum.test").build_request("GET", path("libraries", "x", "documents", id))

    for raw in (url.raw_path, sent.url.raw_path):
        segments = raw.decode("ascii").split("/")
        assert len(segments) == 6
        assert httpx.URL(f"http://x/{segments[5]}").path[1:] == id


@given(vector=arrays.arrays(np.float32, st.integers(1, 40), elements=st.floats(width=32)))
def test_a_vector_survives_the_wire_bit_by_bit(vector: np.ndarray[tuple[int], np.dtype[np.float32]]) -> None:
    returned = decoded(encoded(vector))

    assert returned.tobytes() == vector.tobytes()


@pytest.mark.parametrize("wrong", [[], [[1.0, 2.0]], np.zeros((2, 2)), 3.0, ["a"]])
def test_what_is_no_row_of_numbers_is_refused(wrong: list[float]) -> None:
    with pytest.raises(ValueError, match=r"vector|convert"):
        encoded(wrong)


def test_a_number_beyond_float32_becomes_infinity_without_a_warning() -> None:
    assert decoded(encoded([1e39])).tolist() == [np.inf]


def test_a_list_of_numbers_is_decoded_too() -> None:
    assert decoded([1.0, 2.0]).tolist() == [1.0, 2.0]


def test_vectors_travel_encoded_wherever_they_stand() -> None:
    vector, text = [1.0, 2.0], encoded([1.0, 2.0])
    document = NewDocument(chunks=[{"text": "a", "embedding": vector}, {"text": "b"}])

    assert json.loads(calls.document_body(document))["chunks"] == [{"text": "a", "embedding": text}, {"text": "b"}]
    chunk = calls.create_chunk("x", NewChunk(document_id="d", text="a", embedding=np.array(vector)))
    assert json.loads(chunk.body or b"")["embedding"] == text
    search = calls.search("x", Query(vector=vector, k=3, text=None))
    assert json.loads(search.body or b"") == {"vector": text, "k": 3}
    many = calls.search_many("x", [Query(vector=text), Query(text="a")])  # type: ignore[typeddict-item]  # base64 stays
    assert json.loads(many.body or b"") == {"queries": [{"vector": text}, {"text": "a"}]}


def test_a_change_to_null_is_sent_and_a_field_left_out_is_not() -> None:
    call = calls.update_document("x", "d", {"title": None})

    assert call.body == b'{"title":null}'


def test_what_json_cannot_carry_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ValueError, match="JSON"):
        calls.document_body({"metadata": {"year": float("nan")}})


@given(sizes=st.lists(st.integers(0, 30)), most=st.integers(1, 5), most_bytes=st.integers(1, 40))
def test_batches_keep_all_items_in_order_and_their_bounds(sizes: list[int], most: int, most_bytes: int) -> None:
    items = [bytes([number % 256]) * size for number, size in enumerate(sizes)]

    grouped = list(batches(items, most, most_bytes, size=len))

    assert [item for batch in grouped for item in batch] == items
    assert all(1 <= len(batch) <= most for batch in grouped)
    assert all(len(batch) == 1 or sum(map(len, batch)) <= most_bytes for batch in grouped)

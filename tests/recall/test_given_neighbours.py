"""Real vectors whose exact neighbours are given: loaded and searched through the REST API, none may be missed."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from pergamum.domain.vectors import Matrix
from tests.support.rest import Rest, base64_of

CHUNKS_AT_ONCE = 5_000
QUERIES = 50
TIE = 1e-5
"""The vectors are float16 widened to float32, and the distances given are float32: nearer than this is as near."""

Numbers = npt.NDArray[np.float32]


@pytest.fixture
def rest(tmp_path: Path) -> Iterator[Rest]:
    with Rest(tmp_path / "data") as rest:
        yield rest


@pytest.mark.xdist_group("much memory")
@pytest.mark.parametrize("name", ["words-100", "sentences-384"])
def test_no_true_neighbour_is_missed(rest: Rest, data_folder: Path, name: str) -> None:
    with np.load(data_folder / f"{name}.npz") as given:
        base, queries = given["base"].astype(np.float32), given["queries"][:QUERIES].astype(np.float32)
        neighbours, distances = given["neighbors"][:QUERIES], given["distances"][:QUERIES]
    library = {"name": name, "metric": "cosine", "dimension": base.shape[1]}
    rest.send("POST", "libraries", json=library)

    _store(rest, name, base)

    assert rest.get("libraries", name)["chunks"] == len(base)
    for k in (10, 100):
        for row, hits in enumerate(_search(rest, name, queries, k)):
            _assert_nearest(hits, neighbours[row, :k], distances[row, :k])


def _store(rest: Rest, library: str, vectors: Matrix) -> None:
    """Store row n as chunk "n"; a document holds as many as a request."""
    for first in range(0, len(vectors), CHUNKS_AT_ONCE):
        rows = range(first, min(first + CHUNKS_AT_ONCE, len(vectors)))
        chunks = [{"id": str(row), "text": "", "embedding": base64_of(vectors[row])} for row in rows]
        body = json.dumps({"chunks": chunks}).encode()
        response = rest.send("PUT", "libraries", library, "documents", str(first), content=body)
        assert response.status_code == 201, response.text


def _search(rest: Rest, library: str, queries: Matrix, k: int) -> list[dict[int, float]]:
    """Return for each query the rows found, nearest first, with their distances."""
    body = {"queries": [{"vector": base64_of(query), "k": k} for query in queries]}
    response = rest.send("POST", "libraries", library, "search", verb="batch", json=body)
    assert response.status_code == 200, response.text
    return [{int(hit["chunk_id"]): hit["distance"] for hit in answer["hits"]} for answer in response.json()["answers"]]


def _assert_nearest(hits: dict[int, float], neighbours: npt.NDArray[np.int32], distances: Numbers) -> None:
    """Every given neighbour is among the hits, but for those that tie with the last; all distances agree."""
    np.testing.assert_allclose(list(hits.values()), distances, atol=TIE, rtol=0)
    certain = neighbours[distances < distances[-1] - TIE]
    assert set(certain.tolist()) <= set(hits)

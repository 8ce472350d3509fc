"""What rest_search.py stores and asks: vectors, queries, filters, and the answers that are right."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.harness import Json, Server, Vectors, corpus, encoded
from benchmarks.vector_sets import ROUNDING, K, unit

CHECKED = 500
"""Queries whose answers are compared with the true ones."""
NOISE = 0.03
SENTENCES = "sentences-384"
BETWEEN = 0.4
"""Vectors beyond those of the set are one of them moved so far along the difference of two others."""
PART, PARTS = "part", 200
SCHEMA: Json = {"mode": "strict", "chunks": {PART: {"type": "integer", "required": True, "min": 0, "max": PARTS - 1}}}
FILTERS: dict[str, int | None] = {"all": None, "50%": 100, "5%": 10, "0.5%": 1}
"""By name, the parts whose number is below pass; None: no filter."""

Parts = npt.NDArray[np.int64]
"""For each chunk the part it lies in, uniformly random: (n,)."""


@dataclass(frozen=True)
class Corpus:
    """Unit vectors (n, d), the parts of their chunks (n,), and queries (m, d)."""

    vectors: Vectors
    parts: Parts
    queries: Vectors

    @property
    def metadata(self) -> list[Json]:
        """The metadata of each chunk."""
        return [{PART: part} for part in self.parts.tolist()]

    def allowed(self, below: int | None) -> npt.NDArray[np.bool_]:
        """Return which chunks pass the filter, (n,)."""
        return self.parts < (PARTS if below is None else below)

    @property
    def checked(self) -> Vectors:
        """The queries whose answers are compared with the true ones."""
        return self.queries[:CHECKED]

    def truth(self, below: int | None) -> npt.NDArray[np.float64]:
        """Return for each checked query the similarity of its K-th nearest chunk that passes."""
        kept, queries = self.vectors[self.allowed(below)], self.checked
        candidates = np.argpartition(kept @ queries.T, -2 * K, axis=0)[-2 * K :].T
        similar = np.einsum("qcd,qd->qc", kept[candidates].astype(np.float64), queries.astype(np.float64))
        worst: npt.NDArray[np.float64] = np.sort(similar, axis=1)[:, -K] / np.linalg.norm(queries, axis=1)
        return worst

    def recall(self, answers: Iterable[Json], below: int | None) -> float:
        """Return the share of the true K nearest among the hits of `answers`, one for each checked query."""
        allowed, hits = self.allowed(below), 0
        for query, worst, answer in zip(self.checked, self.truth(below), answers, strict=True):
            found = np.array([int(hit["chunk_id"].removeprefix("c")) for hit in answer["hits"]], dtype=np.int64)
            similar = self.vectors[found].astype(np.float64) @ query.astype(np.float64) / np.linalg.norm(query)
            hits += int(((similar >= worst - ROUNDING) & allowed[found]).sum())
        return hits / (K * len(self.checked))


def clusters(count: int, dimension: int, queries: int) -> Corpus:
    """Return made vectors around centres, and queries near some of them."""
    vectors, rng = corpus(count, dimension), np.random.default_rng(1)
    near = vectors[rng.integers(0, count, queries)]
    return Corpus(vectors, _parts(count), near + np.float32(NOISE) * _normal(rng, near.shape))


def sentences(folder: Path, count: int, queries: int) -> Corpus:
    """Return embeddings of sentences, and of sentences that are not among them as queries.

    The set has 60,000 and 1,000. Those beyond are made of three of them each: one, moved as sentences differ.
    """
    with np.load(folder / f"{SENTENCES}.npz") as arrays:
        base, asked_for = unit(arrays["base"]), unit(arrays["queries"])
    return Corpus(_widened(base, count, 2), _parts(count), _widened(asked_for, queries, 4))


def _widened(real: Vectors, count: int, seed: int) -> Vectors:
    rng, missing = np.random.default_rng(seed), max(0, count - len(real))
    one, two, three = (real[rng.integers(0, len(real), missing)] for _ in range(3))
    return np.concatenate([real[:count], unit(one + np.float32(BETWEEN) * (two - three))])


def asked(query: Vectors, kind: str, below: int | None, recall: float | None = None) -> bytes:
    """Return the body of a search, its vector written as `kind`: numbers or base64."""
    vector = encoded(query) if kind == "base64" else [round(x, 7) for x in query.tolist()]
    body: dict[str, Json] = {"vector": vector, "k": K}
    if below is not None:
        body["filter"] = {"field": PART, "op": "lt", "value": below}
    if recall is not None:
        body["recall"] = recall
    return json.dumps(body).encode()


def strategy(server: Server, path: str, body: bytes) -> str:
    """Return by which plan the server answers a search."""
    explained = json.dumps({**json.loads(body), "explain": True}).encode()
    plan: str = server.send("POST", path, explained)["explain"]["plan"]["strategy"]
    return plan


def _parts(count: int) -> Parts:
    return np.random.default_rng(3).integers(0, PARTS, count)


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Vectors:
    return rng.standard_normal(shape).astype(np.float32)

"""Which class implements which kind of index."""

from collections.abc import Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from pergamum.domain.vectors import Matrix, Metric
from pergamum.errors import InvalidField
from pergamum.index.base import BuiltIndex, Job
from pergamum.index.brute_force.params import BruteForceParams
from pergamum.index.mask import SlotMask

KINDS = ("auto", "brute_force", "kd_tree", "lsh", "hnsw")
"""What a library may ask for. `auto` leaves the choice between `brute_force` and `hnsw` to us."""
_CLASSES = {"kd_tree": "KdTree", "lsh": "Lsh", "hnsw": "Hnsw"}


def check(kind: str, params: Mapping[str, object], metric: Metric) -> None:
    """Refuse an unknown kind, a metric it cannot honour, or parameters it does not take. Raises `InvalidField`."""
    if kind in {"auto", "brute_force"}:
        BruteForceParams.of(params)
        return
    getattr(_module(kind, "index"), "check_metric", lambda _: None)(metric)
    _params(kind, params)


def build(
    kind: str, metric: Metric, params: Mapping[str, object], vectors: Matrix, live: SlotMask, job: Job
) -> BuiltIndex:
    """Return a built index of `kind` over all rows of `vectors`. Raises `InvalidField`, `Cancelled`.

    REQUIRES: the kernels are loaded; `kind` is one that is built (neither `auto` nor `brute_force`).
    """
    return _index(kind).build(vectors, metric, live, _params(kind, params), job)


def in_force(kind: str, params: Mapping[str, object]) -> dict[str, Any]:
    """Return the parameters with the defaults of those that were not given. Raises `InvalidField`."""
    return {} if kind in {"auto", "brute_force"} else asdict(_params(kind, params))


def load_built(kind: str, folder: Path) -> BuiltIndex:
    """Return the index of `kind` saved in `folder`. Raises `InvalidField`, `Damaged` or `NewerFormat`."""
    return _index(kind).load(folder)


def _module(kind: str, name: str) -> Any:
    if kind not in _CLASSES:
        raise InvalidField("index.kind", f"no index kind {kind!r}; known: {', '.join(KINDS)}")
    return import_module(f"pergamum.index.{kind}.{name}")


def _index(kind: str) -> Any:
    return getattr(_module(kind, "index"), f"{_CLASSES[kind]}Index")


def _params(kind: str, params: Mapping[str, object]) -> Any:
    return getattr(_module(kind, "params"), f"{_CLASSES[kind]}Params").of(params)

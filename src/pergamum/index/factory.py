"""Which class implements which kind of index."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from pergamum.domain.json import JsonObject
from pergamum.domain.library import IndexKind, IndexSpec
from pergamum.domain.vectors import Matrix, Metric
from pergamum.errors import InvalidField
from pergamum.index.base import BuiltIndex, Job
from pergamum.index.brute_force.params import BruteForceParams
from pergamum.index.hnsw.index import HnswIndex
from pergamum.index.hnsw.params import HnswParams
from pergamum.index.ivf.index import IvfIndex
from pergamum.index.ivf.params import IvfParams
from pergamum.index.kd_tree.index import KdTreeIndex
from pergamum.index.kd_tree.index import check_metric as check_kd_tree_metric
from pergamum.index.kd_tree.params import KdTreeParams
from pergamum.index.lsh.index import LshIndex
from pergamum.index.lsh.params import LshParams
from pergamum.index.mask import SlotMask

KINDS = ("auto", "brute_force", "kd_tree", "lsh", "hnsw", "ivf")
"""What a library may ask for. `auto` leaves the choice between `brute_force`, `hnsw` and `ivf` to us."""


def check(kind: str, params: Mapping[str, object], metric: Metric) -> None:
    """Refuse an unknown kind, a metric it cannot honour, or parameters it does not take. Raises `InvalidField`."""
    match kind:
        case "auto" | "brute_force":
            BruteForceParams.of(params)
        case "kd_tree":
            check_kd_tree_metric(metric)
            KdTreeParams.of(params)
        case "lsh":
            LshParams.of(params)
        case "hnsw":
            HnswParams.of(params)
        case "ivf":
            IvfParams.of(params)
        case _:
            raise _unknown(kind)


def in_force(kind: str, params: Mapping[str, object]) -> JsonObject:
    """Return the parameters with the defaults of those that were not given. Raises `InvalidField`."""
    match kind:
        case "auto" | "brute_force":
            return {}
        case "kd_tree":
            return asdict(KdTreeParams.of(params))
        case "lsh":
            return asdict(LshParams.of(params))
        case "hnsw":
            return asdict(HnswParams.of(params))
        case "ivf":
            return asdict(IvfParams.of(params))
        case _:
            raise _unknown(kind)


def build(spec: IndexSpec, metric: Metric, vectors: Matrix, live: SlotMask, job: Job) -> BuiltIndex:
    """Return the index that is asked for over all live rows of `vectors`. Raises `InvalidField`, `Cancelled`.

    REQUIRES: the kernels are loaded; the kind is one that is built (neither `auto` nor `brute_force`).
    """
    match spec.kind:
        case IndexKind.KD_TREE:
            return KdTreeIndex.build(vectors, metric, live, KdTreeParams.of(spec.params), job)
        case IndexKind.LSH:
            return LshIndex.build(vectors, metric, live, LshParams.of(spec.params), job)
        case IndexKind.HNSW:
            return HnswIndex.build(vectors, metric, live, HnswParams.of(spec.params), job)
        case IndexKind.IVF:
            return IvfIndex.build(vectors, metric, live, IvfParams.of(spec.params), job)
        case _:
            raise _unknown(spec.kind.value)


def load_built(kind: str, folder: Path, *, checked: bool = False) -> BuiltIndex:
    """Return the index of `kind` saved in `folder`, mapped. Raises `InvalidField`, `Damaged` or `NewerFormat`.

    `checked`: whether somebody has just compared every byte of its file with a checksum, so that nobody need again.
    """
    match kind:
        case "kd_tree":
            return KdTreeIndex.load(folder, checked=checked)
        case "lsh":
            return LshIndex.load(folder, checked=checked)
        case "hnsw":
            return HnswIndex.load(folder, checked=checked)
        case "ivf":
            return IvfIndex.load(folder, checked=checked)
        case _:
            raise _unknown(kind)


def _unknown(kind: str) -> InvalidField:
    return InvalidField("index.kind", f"no index kind {kind!r}; known: {', '.join(KINDS)}")

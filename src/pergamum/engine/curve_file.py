"""A recall curve as JSON, so that a restart need not measure again."""

import json
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path

from pergamum.domain.recall import RecallCurve, RecallPoint

NAME = "curve.json"


def encode_curve(curve: RecallCurve) -> bytes:
    """Return the curve as JSON."""
    body = asdict(curve) | {"measured_at": curve.measured_at.isoformat()}
    return json.dumps(body).encode()


def decode_curve(content: bytes) -> RecallCurve:
    """Return what `encode_curve` wrote. Raises `ValueError`, `KeyError` or `TypeError` for anything else."""
    body = json.loads(content)
    names = [field.name for field in fields(RecallPoint)]
    points = tuple(RecallPoint(**{name: point[name] for name in names}) for point in body["points"])
    return RecallCurve(
        points=points,
        foreign_beyond={int(k): float(distance) for k, distance in body["foreign_beyond"].items()},
        slots=body["slots"],
        live=body["live"],
        measured_at=datetime.fromisoformat(body["measured_at"]),
    )


def load_curve(folder: Path) -> RecallCurve:
    """Return the curve saved in `folder`; raises as `decode_curve` does, or `OSError`."""
    return decode_curve((folder / NAME).read_bytes())

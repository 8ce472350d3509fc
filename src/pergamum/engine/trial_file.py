"""A trial as JSON, so that a restart need not repeat it."""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from pergamum.domain.library import IndexKind, IndexSpec
from pergamum.domain.trial import SampleTrial, Trial, TrialPoint

NAME = "trial.json"


def encode_trial(trial: Trial) -> bytes:
    """Return the trial as JSON."""
    return json.dumps(asdict(trial) | {"measured_at": trial.measured_at.isoformat()}).encode()


def decode_trial(content: bytes) -> Trial:
    """Return what `encode_trial` wrote. Raises `ValueError`, `KeyError` or `TypeError` for anything else."""
    body = json.loads(content)
    samples = tuple(_sample(sample) for sample in body["samples"])
    at = datetime.fromisoformat(body["measured_at"])
    return Trial(int(body["live"]), int(body["k"]), int(body["queries"]), samples, at)


def load_trial(folder: Path) -> Trial:
    """Return the trial saved in `folder`; raises as `decode_trial` does, or `OSError`."""
    return decode_trial((folder / NAME).read_bytes())


def _sample(body: dict[str, Any]) -> SampleTrial:
    points = tuple(TrialPoint(**point) for point in body["points"])
    spec = IndexSpec(IndexKind(body["spec"]["kind"]), dict(body["spec"]["params"]))
    return SampleTrial(spec, int(body["sampled"]), int(body["memory_bytes"]), points)

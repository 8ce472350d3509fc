"""The running hash of all commands a library has applied: two copies with the same hash took the same road."""

import json
from dataclasses import is_dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

import numpy as np

from pergamum.domain.chunk import NewChunk
from pergamum.domain.commands import Command
from pergamum.domain.vectors import Vector


def extended_history(history: bytes, command: Command) -> bytes:
    """Return sha256(history, command), 32 bytes. O(size of the command).

    The command is hashed as one line of JSON, in which a vector is its length, followed by the vectors' bytes.
    """
    vectors: list[Vector] = []
    plain = json.dumps(_plain(command, vectors), sort_keys=True)
    digest = sha256(history)
    digest.update(plain.encode())
    for vector in vectors:
        digest.update(vector.data)
    return digest.digest()


def _plain(value: object, vectors: list[Vector]) -> object:
    """Return what JSON can hold of `value`; the vectors in it are appended to `vectors`."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, NewChunk):  # by far the most common dataclass: spelled out for speed
        vectors.append(value.embedding)
        size = value.embedding.size
        return [value.id, value.document_id, value.text, value.page_number, value.metadata, size]
    if isinstance(value, np.ndarray):
        vectors.append(value)
        return value.size
    if is_dataclass(value):
        names = value.__dataclass_fields__
        return [type(value).__name__, *(_plain(getattr(value, name), vectors) for name in names)]
    if isinstance(value, dict):
        return {name: _plain(item, vectors) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item, vectors) for item in value]
    return str(value) if isinstance(value, datetime | UUID) else value

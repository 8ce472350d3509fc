"""A request as a value: made by the pure functions of `calls.py`, sent by `transport.py`, the one door to the network.

Nothing here knows whether the sending is synchronous, so that an asynchronous twin needs another door only.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeAlias, TypeVar
from urllib.parse import quote

from pergamum.client.cells import cell

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Parameter: TypeAlias = str | int | bool


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back from a call that succeeded; the names of the headers are in lower case."""

    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Call(Generic[T_co]):
    """One request and how its reply is read; `read` raises ValueError for a reply it cannot read.

    `repeatable`: sending it twice does no more than sending it once, so it may be repeated when its outcome is unknown.
    `keyed`: it is a write that is sent with an idempotency key, which lets it be repeated as well.
    """

    method: str
    path: str
    read: Callable[[Reply], T_co]
    params: Mapping[str, Parameter] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = JSON
    repeatable: bool = False
    keyed: bool = False

    @property
    def safe(self) -> bool:
        """Whether it may be sent again when its outcome is unknown."""
        return self.repeatable or self.keyed


def path(*segments: str) -> str:
    """Return `/v1/...` with every segment percent-encoded: slashes and dots of an id stay part of the id.

    A segment of dots alone is encoded too, or it would be taken for the folder above.
    """
    return "/v1/" + "/".join(_segment(segment) for segment in segments)


def _segment(text: str) -> str:
    return text.replace(".", "%2E") if text.strip(".") == "" else quote(text, safe="")


def known(fields: Mapping[str, T | None]) -> dict[str, T]:
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def json_body(value: object) -> bytes:
    """Return the value as compact JSON; NumPy's values, times and UUIDs as `cell` writes them.

    Raises ValueError for NaN and infinity, TypeError for what JSON has no value for.
    """
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=cell).encode()

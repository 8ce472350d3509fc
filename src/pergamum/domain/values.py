"""JSON values as the typed values that filters compare, and what is wrong with those that do not fit their type."""

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, TypeAlias
from uuid import UUID

from pergamum.domain.fields import FieldType, GeoPoint, Scalar, ScalarType
from pergamum.domain.json import Json

Typed: TypeAlias = Scalar | tuple[Scalar, ...]


class Misfit(Exception):
    """A value is not of the type; the message says what it must be. Never leaves the domain: callers add the field."""


_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BITS: Final = 1 << 63


def typed(kind: FieldType, raw: Json) -> Typed:
    """Return the value as one of type `kind`. Raises `Misfit`. REQUIRES: not None."""
    if not kind.many:
        return _READERS[kind.scalar](raw)
    if not isinstance(raw, list):
        raise Misfit(f"must be a {kind}")
    return tuple(_READERS[kind.scalar](item) for item in raw)


def _string(raw: Json) -> str:
    if not isinstance(raw, str):
        raise Misfit("must be a string")
    return raw


def _integer(raw: Json) -> int:
    if not isinstance(raw, int) or isinstance(raw, bool):
        raise Misfit("must be an integer")
    if not -_BITS <= raw < _BITS:
        raise Misfit("must be an integer of 64 bits")
    return raw


def _float(raw: Json) -> float:
    if not isinstance(raw, int | float) or isinstance(raw, bool):
        raise Misfit("must be a number")
    try:
        number = float(raw)
    except OverflowError:  # an integer of hundreds of digits
        number = math.inf
    if not math.isfinite(number):
        raise Misfit("must be a finite number")
    return number


def _boolean(raw: Json) -> bool:
    if not isinstance(raw, bool):
        raise Misfit("must be true or false")
    return raw


def _datetime(raw: Json) -> datetime:
    """Return the time in UTC."""
    if not isinstance(raw, str) or not _TIME.fullmatch(raw):
        raise Misfit("must be a time with its zone (RFC 3339), such as 2026-11-21T09:30:00Z")
    try:
        return datetime.fromisoformat(raw.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Misfit("must be a time that exists, between the years 1 and 9999") from None


def _uuid(raw: Json) -> str:
    """Return the canonical spelling."""
    spelled = _string(raw)
    if _UUID.fullmatch(spelled):
        return spelled
    try:
        return str(UUID(spelled))
    except ValueError:
        raise Misfit("must be a UUID") from None


def _geo_point(raw: Json) -> GeoPoint:
    if not isinstance(raw, Mapping) or raw.keys() != {"lat", "lon"}:
        raise Misfit('must be a place, such as {"lat": 52.52, "lon": 13.4}')
    lat, lon = _float(raw["lat"]), _float(raw["lon"])
    if abs(lat) > 90 or abs(lon) > 180:
        raise Misfit("lat must lie between -90 and 90, lon between -180 and 180")
    return GeoPoint(lat, lon)


_READERS: Final[Mapping[ScalarType, Callable[[Json], Scalar]]] = {
    ScalarType.STRING: _string,
    ScalarType.TEXT: _string,
    ScalarType.INTEGER: _integer,
    ScalarType.FLOAT: _float,
    ScalarType.BOOLEAN: _boolean,
    ScalarType.DATETIME: _datetime,
    ScalarType.UUID: _uuid,
    ScalarType.GEO_POINT: _geo_point,
}

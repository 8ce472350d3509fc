"""One value of a table as JSON has it: what NumPy, pandas, polars and Arrow have in a cell, put plainly or refused."""

import math
import sys
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias
from uuid import UUID

import numpy as np

Cell: TypeAlias = str | int | float | bool | list[Any] | dict[str, Any] | None
"""A value of JSON; None where there is none."""
_PLAIN: Final = frozenset({str, int, bool, type(None)})


def cell(value: object) -> Cell:
    """Return the value as JSON has it: None for None, NaN, NaT and NA; dictionaries leave out what is None.

    Times must say their zone, decimals become float64, UUIDs and dates strings. Raises ValueError for a number that is
    infinite and a time without a zone, TypeError for what JSON has no value for.
    """
    if type(value) in _PLAIN:
        return value  # type: ignore[return-value]  # these are four of the types of a cell
    if isinstance(value, float | Decimal | np.floating):
        return _number(float(value))
    if isinstance(value, str | UUID):
        return str(value)
    if isinstance(value, date):
        return _moment(value)
    if isinstance(value, np.generic):
        return _scalar(value)
    return _composed(value)


def _composed(value: object) -> Cell:
    if isinstance(value, Mapping):
        return {str(name): known for name, deep in value.items() if (known := cell(deep)) is not None}
    if isinstance(value, list | tuple | np.ndarray):
        return [cell(deep) for deep in value]
    if _is_missing(value):
        return None
    if isinstance(value, int):
        return int(value)  # of a class made from int
    raise TypeError(f"JSON has no value for a {type(value).__name__}")


def _number(number: float) -> float | None:
    if math.isnan(number):
        return None
    if math.isinf(number):
        raise ValueError("an infinite number is no value")
    return number


def _moment(moment: date) -> str | None:
    if moment != moment:  # noqa: PLR0124  # so pandas' NaT is told, which is a datetime
        return None
    if isinstance(moment, datetime) and moment.utcoffset() is None:
        raise ValueError(f"the time {moment} does not say its zone: in pandas, .dt.tz_localize('UTC') does")
    return moment.isoformat()


def _scalar(value: np.generic) -> Cell:
    if isinstance(value, np.datetime64):
        moment = value.astype("datetime64[us]").item()
        return None if moment is None else cell(moment)
    if isinstance(value, np.timedelta64 | np.complexfloating | np.void | np.bytes_):
        raise TypeError(f"JSON has no value for a {type(value).__name__}")
    return cell(value.item())


def _is_missing(value: object) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and (value is pandas.NA or value is pandas.NaT)

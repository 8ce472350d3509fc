"""Which places lie within a circle or a box."""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from pergamum.domain.filters import Box, Circle
from pergamum.index.mask import Flags

Degrees = npt.NDArray[np.float64]
"""NaN where there is no place."""

EARTH_METRES: Final = 6_371_008.8
"""The mean radius."""


def within(area: Circle | Box, lat: Degrees, lon: Degrees) -> Flags:
    """Return which places lie in the area, edges included. O(places)."""
    return _within_box(area, lat, lon) if isinstance(area, Box) else _within_circle(area, lat, lon)


def _within_box(box: Box, lat: Degrees, lon: Degrees) -> Flags:
    inside: Flags = (lat >= box.south) & (lat <= box.north)
    if box.west <= box.east:
        inside &= (lon >= box.west) & (lon <= box.east)
    else:  # across the 180th meridian
        inside &= (lon >= box.west) | (lon <= box.east)
    return inside


def _within_circle(circle: Circle, lat: Degrees, lon: Degrees) -> Flags:
    """The haversine formula, for the places whose latitude does not rule them out."""
    reach = math.degrees(circle.radius / EARTH_METRES) * (1 + 1e-9) + 1e-9
    inside: Flags = np.abs(lat - circle.center.lat) <= reach
    near = np.flatnonzero(inside)
    inside[near] = distances(circle, lat[near], lon[near]) <= circle.radius
    return inside


def distances(circle: Circle, lat: Degrees, lon: Degrees) -> Degrees:
    """Return how many metres places are from the centre along the great circle."""
    there, here = np.radians(lat), math.radians(circle.center.lat)
    across = np.sin(np.radians(lon - circle.center.lon) / 2) ** 2
    half = np.sin((there - here) / 2) ** 2 + math.cos(here) * np.cos(there) * across
    metres: Degrees = 2 * EARTH_METRES * np.arcsin(np.sqrt(np.minimum(half, 1.0)))
    return metres

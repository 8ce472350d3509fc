"""Metadata as shops and archives have it: few values often and many seldom, some missing.

category   one of 12, Zipf with exponent 1
year       2026 less the whole part of an exponential of mean 6, at least 1990
price      log-normal: median 25, sigma of the logarithm 1; cents, at least 0.01; may be missing
rating     1 + 4 * Beta(5, 2), one decimal: mostly good; may be missing
in_stock   true with probability 0.85
tags       the different ones among Binomial(5, 0.4) of 40, Zipf with exponent 1
published  a second of `year`, each as likely; may be missing
location   near one of 10 cities, Zipf with exponent 1, off by Normal(0, 0.1) degrees; may be missing
topic      the number of the document's cluster
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pergamum.synthetic.clusters import Topics
from pergamum.synthetic.zipf import Zipf

if TYPE_CHECKING:
    from pergamum.client.drafts import MetadataSchema

CATEGORIES: Final = (
    "books", "kitchen", "garden", "clothing", "toys", "sports", "music", "tools", "pets", "office", "health", "travel",
)  # fmt: skip
TAGS: Final = tuple(f"tag-{number:02}" for number in range(40))
CITIES: Final = (
    (35.68, 139.69), (28.61, 77.21), (31.23, 121.47), (-23.55, -46.63), (19.43, -99.13),
    (30.04, 31.24), (40.71, -74.01), (51.51, -0.13), (52.52, 13.40), (-33.87, 151.21),
)  # fmt: skip
"""Latitude and longitude."""
FIRST_YEAR, LAST_YEAR = 1990, 2026
MOST_TAGS: Final = 5
OPTIONAL: Final = ("price", "rating", "published", "location")
"""The fields that may be missing."""

SCHEMA: "Final[MetadataSchema]" = {
    "mode": "strict",
    "documents": {
        "category": {"type": "string", "required": True, "allowed": list(CATEGORIES)},
        "year": {"type": "integer", "required": True, "min": FIRST_YEAR, "max": LAST_YEAR},
        "price": {"type": "float", "min": 0.01},
        "rating": {"type": "float", "min": 1, "max": 5},
        "in_stock": {"type": "boolean", "required": True},
        "tags": {"type": "list[string]", "required": True, "max": MOST_TAGS},
        "published": {"type": "datetime"},
        "location": {"type": "geo_point"},
        "topic": {"type": "integer", "required": True},
    },
}
"""The schema of a library for them."""

_CATEGORY, _TAG, _CITY = Zipf(len(CATEGORIES)), Zipf(len(TAGS)), Zipf(len(CITIES))
_YEAR_SECONDS: Final = 365 * 86_400


def metadata(chance: np.random.Generator, topics: Topics, missing: float) -> list[dict[str, Any]]:
    """Return the metadata of one document for each topic."""
    size = len(topics)
    years = np.maximum(FIRST_YEAR, LAST_YEAR - chance.exponential(6.0, size).astype(np.int64)).tolist()
    columns: dict[str, Sequence[Any]] = {
        "category": [CATEGORIES[rank] for rank in _CATEGORY.draw(chance, size)],
        "year": years,
        "price": np.maximum(0.01, np.round(chance.lognormal(np.log(25.0), 1.0, size), 2)).tolist(),
        "rating": np.round(1.0 + 4.0 * chance.beta(5.0, 2.0, size), 1).tolist(),
        "in_stock": (chance.random(size) < 0.85).tolist(),
        "tags": _tags(chance, size),
        "published": _moments(chance, years),
        "location": _places(chance, size),
        "topic": topics.tolist(),
    }
    present = {name: (chance.random(size) >= missing).tolist() for name in OPTIONAL}
    return [
        {name: column[row] for name, column in columns.items() if name not in present or present[name][row]}
        for row in range(size)
    ]


def _tags(chance: np.random.Generator, size: int) -> list[list[str]]:
    counts = chance.binomial(MOST_TAGS, 0.4, size).tolist()
    drawn = _TAG.draw(chance, (size, MOST_TAGS)).tolist()
    return [[TAGS[rank] for rank in dict.fromkeys(ranks[:count])] for count, ranks in zip(counts, drawn, strict=True)]


def _moments(chance: np.random.Generator, years: Sequence[int]) -> list[str]:
    seconds = chance.integers(0, _YEAR_SECONDS, len(years)).tolist()
    return [_moment(year, second) for year, second in zip(years, seconds, strict=True)]


def _moment(year: int, second: int) -> str:
    return f"{datetime(year, 1, 1, tzinfo=UTC) + timedelta(seconds=second):%Y-%m-%dT%H:%M:%SZ}"


def _places(chance: np.random.Generator, size: int) -> list[dict[str, float]]:
    centres = np.array(CITIES)[_CITY.draw(chance, size)]
    places = np.round(centres + chance.normal(0.0, 0.1, (size, 2)), 4)
    return [{"lat": lat, "lon": lon} for lat, lon in places.tolist()]

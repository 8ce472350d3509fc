"""A Pydantic model declares metadata fields."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, create_model

from pergamum.client import Prose, fields_of
from pergamum.domain.fields import GeoPoint


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@pytest.mark.parametrize(
    ("annotation", "declared"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer"}),
        (float, {"type": "float"}),
        (bool, {"type": "boolean"}),
        (datetime, {"type": "datetime"}),
        (UUID, {"type": "uuid"}),
        (GeoPoint, {"type": "geo_point"}),
        (Prose, {"type": "text"}),
        (Prose | None, {"type": "text"}),
        (list[str], {"type": "list[string]"}),
        (tuple[int, ...], {"type": "list[integer]"}),
        (set[float], {"type": "list[float]"}),
        (int | None, {"type": "integer"}),
        (Literal["en", "de"], {"type": "string", "allowed": ["en", "de"]}),
        (Literal[1, 2], {"type": "integer", "allowed": [1, 2]}),
        (Colour, {"type": "string", "allowed": ["red", "blue"]}),
        (list[Colour], {"type": "list[string]", "allowed": ["red", "blue"]}),
        (Annotated[int, Field(ge=1, le=9)], {"type": "integer", "min": 1, "max": 9}),
        (Annotated[int, Field(ge=0)] | None, {"type": "integer", "min": 0}),
        (Annotated[str, Field(max_length=3)], {"type": "string", "max": 3}),
    ],
)
def test_types_and_rules_are_taken_over(annotation: Any, declared: dict[str, Any]) -> None:  # noqa: ANN401  # any type
    model = create_model("Model", field=(annotation, ...))

    assert fields_of(model) == {"field": {**declared, "required": True}}


def test_a_default_fills_in_and_none_is_no_default() -> None:
    class Article(BaseModel):
        language: str = "en"
        tags: list[str] = Field(default_factory=list, alias="Tags")
        year: int | None = None

    assert fields_of(Article) == {
        "language": {"type": "string", "required": False, "default": "en"},
        "Tags": {"type": "list[string]", "required": False, "default": []},
        "year": {"type": "integer", "required": False},
    }


@pytest.mark.parametrize("annotation", [dict[str, int], int | str, bytes, Annotated[int, Field(gt=3)]])
def test_what_a_schema_cannot_say_is_refused(annotation: Any) -> None:  # noqa: ANN401  # any type
    with pytest.raises(TypeError, match="field"):
        fields_of(create_model("Model", field=(annotation, ...)))

import json

import pytest
from pydantic import ValidationError
from pydantic.json_schema import models_json_schema

from pergamum.domain.filter_reading import read_filter
from pergamum.errors import InvalidFilter
from pergamum.wire.common import RequestModel
from pergamum.wire.filters import MAX_QUERY, FilterIn, filter_of_query


class Asked(RequestModel):
    """A body with a filter in it."""

    filter: FilterIn | None = None


CONDITION = {"field": "year", "op": "gte", "value": 2020}


@pytest.mark.parametrize("sent", [CONDITION, {"and": [CONDITION, {"not": CONDITION}]}, {"xor": 3}, {}, None])
def test_any_object_is_left_as_it_came(sent: object) -> None:
    body = Asked.model_validate_json(json.dumps({"filter": sent}))

    assert body.filter == sent
    assert json.loads(body.model_dump_json()) == {"filter": sent}
    assert json.loads(body.model_dump_json(exclude_unset=True)) == {"filter": sent}


@pytest.mark.parametrize("sent", ["3", "true", '"year > 3"', "[]", '[{"and": []}]'])
def test_what_is_no_object_is_refused(sent: str) -> None:
    with pytest.raises(ValidationError, match="must be a filter: an object"):
        Asked.model_validate_json(f'{{"filter": {sent}}}')


@pytest.mark.parametrize(("before", "after"), [('{"not":', "}"), ('{"and":[', "]}"), ("[", "]")])
@pytest.mark.parametrize("levels", [50, 100_000])
def test_a_bomb_is_refused_by_the_parser_or_the_reader(before: str, after: str, levels: int) -> None:
    sent = f'{{"filter":{{"not":{before * levels}1{after * levels}}}}}'

    with pytest.raises((ValidationError, InvalidFilter)):
        read_filter(Asked.model_validate_json(sent).filter)


def test_the_shape_of_a_filter_is_told_whole() -> None:
    _, told = models_json_schema([(Asked, "validation")], ref_template="#/components/schemas/{model}")

    shapes = told["$defs"]
    tree = {"$ref": "#/components/schemas/FilterTree"}
    assert tree in shapes["Asked"]["properties"]["filter"]["anyOf"]
    assert shapes["AndIn"]["properties"]["and"]["items"] == tree
    assert shapes["NotIn"]["properties"]["not"] == tree
    assert {shape["$ref"].rpartition("/")[2] for shape in shapes["FilterTree"]["anyOf"]} <= shapes.keys()
    assert "starts_with" in shapes["Op"]["enum"]


def test_a_filter_in_a_url_is_read_as_json() -> None:
    assert filter_of_query(json.dumps(CONDITION)) == CONDITION


@pytest.mark.parametrize("text", ["", "year > 3", "{", "[" * 1_000, '"\\ud800"', '"' + "x" * MAX_QUERY + '"'])
def test_what_is_no_json_in_a_url_is_refused(text: str) -> None:
    with pytest.raises(InvalidFilter) as caught:
        filter_of_query(text)

    assert caught.value.facts["field"] == "filter"
    assert len(str(caught.value)) < 200

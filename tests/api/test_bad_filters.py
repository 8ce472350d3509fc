"""Every route that takes a filter refuses what is none, and says why."""

import json
from pathlib import Path

import httpx2
import pytest
from starlette.testclient import TestClient

from tests.api.conftest import assert_problem, chunk, new_library, put, serving

JSON = {"content-type": "application/json"}
BODIES: dict[str, str] = {
    "/search": '{"vector": [0, 0], "filter": %s}',
    "/search:batch": '{"queries": [{"vector": [0, 0], "filter": %s}]}',
    "/documents:query": '{"filter": %s}',
    "/documents:count": '{"filter": %s}',
    "/documents:facets": '{"filter": %s, "facets": [{"field": "year"}]}',
    "/documents:delete": '{"filter": %s}',
    "/documents:update": '{"filter": %s, "set": {"year": 1}}',
    "/chunks:query": '{"filter": %s}',
    "/chunks:count": '{"filter": %s}',
    "/chunks:facets": '{"filter": %s, "facets": [{"field": "year"}]}',
    "/chunks:delete": '{"filter": %s}',
    "/chunks:update": '{"filter": %s, "set": {"kind": "x"}}',
}
"""Each route with a body that has a filter, the filter left out."""


@pytest.fixture(scope="module")
def stored(client: TestClient) -> str:
    """A library with one document and one chunk, whose metadata fields are known. No test changes it."""
    library = new_library(client, metric="l2", dimension=2)
    put(client, library, "d", chunk("c", 0, 0, metadata={"kind": "memo"}), metadata={"year": 2020})
    return library


def refused(client: TestClient, library: str, route: str, filter: str) -> httpx2.Response:
    """Send a filter that the route should refuse."""
    return client.post(library + route, content=BODIES[route].replace("%s", filter), headers=JSON)


@pytest.mark.parametrize("route", BODIES)
def test_an_unknown_field_is_named_with_the_nearest(client: TestClient, stored: str, route: str) -> None:
    answer = refused(client, stored, route, '{"not": {"field": "yaer", "op": "eq", "value": 1}}')

    problem = assert_problem(answer, 422, "unknown-field")
    level = "document" if "documents" in route else "chunk"
    assert (problem["field"], problem["nearest"], problem["level"]) == ("yaer", "year", level)


@pytest.mark.parametrize("route", BODIES)
def test_a_value_of_another_type_is_refused_with_the_type(client: TestClient, stored: str, route: str) -> None:
    answer = refused(client, stored, route, '{"and": [{"field": "year", "op": "in", "value": [1, "x"]}]}')

    problem = assert_problem(answer, 422, "invalid-filter")
    assert problem["field"] == "filter.and.0.value.1"
    assert (problem["field_name"], problem["field_type"]) == ("year", "integer")
    assert "must be an integer" in problem["detail"]


@pytest.mark.parametrize("route", BODIES)
def test_bombs_are_refused(client: TestClient, stored: str, route: str) -> None:
    deep = ["[" * 100_000, '{"not":' * 100_000, '{"and":[' * 100_000 + "]}" * 100_000]
    for bomb in deep:
        assert_problem(refused(client, stored, route, bomb), 400, "malformed-json")
    for levels in (17, 60):
        bomb = '{"not":' * levels + '{"and": []}' + "}" * levels
        assert_problem(refused(client, stored, route, bomb), 422, "invalid-filter")
    wide = json.dumps({"or": [{"field": "year", "op": "eq", "value": at} for at in range(1_001)]})
    assert_problem(refused(client, stored, route, wide), 422, "invalid-filter")


@pytest.mark.parametrize("route", ["/search", "/documents:count"])
@pytest.mark.parametrize("op", ["eq", "in", "between", "len", "within", "matches", "exists"])
def test_odd_values_are_refused(client: TestClient, stored: str, route: str, op: str) -> None:
    far = "9" * 400
    area = f'{{"center": {{"lat": 1, "lon": 1}}, "radius": {far}}}'
    for value in ("NaN", "1e999", far, "null", "[[1]]", "{}", area, area.replace('"lat": 1', f'"lat": {far}')):
        asked = f'{{"field": "year", "op": "{op}", "value": {value}}}'

        assert_problem(refused(client, stored, route, asked), 422, "invalid-filter")


@pytest.mark.parametrize("route", BODIES)
def test_what_is_no_object_is_refused(client: TestClient, stored: str, route: str) -> None:
    for filter in ("3", '"year > 3"', "[]", "true"):
        problem = assert_problem(refused(client, stored, route, filter), 422, "invalid-request")

        assert problem["errors"][0]["field"].endswith(".filter")


@pytest.mark.parametrize("route", ["/documents", "/chunks"])
def test_lists_refuse_what_is_no_filter_in_their_query(client: TestClient, stored: str, route: str) -> None:
    for filter in ("", "year > 3", "{", "[" * 10_000, "3", "null", '{"field": "year"}'):
        assert_problem(client.get(stored + route, params={"filter": filter}), 422, "invalid-filter")


def test_ten_thousand_values_are_taken(client: TestClient, stored: str) -> None:
    filter = {"field": "year", "op": "in", "value": [*range(10_000)]}

    assert client.post(f"{stored}/documents:count", json={"filter": filter}).json()["count"] == 1
    assert client.post(f"{stored}/search", json={"vector": [0, 0], "filter": filter}).json()["hits"]


def test_the_depth_is_a_setting(tmp_path: Path) -> None:
    with serving(tmp_path, max_filter_depth=1) as client:
        library = "/v1/libraries/" + client.post("/v1/libraries", json={"name": "a", "dimension": 2}).json()["id"]

        for route in ("/chunks:count", "/documents:query"):
            assert client.post(
                library + route, json={"filter": {"not": {"field": "id", "op": "eq", "value": "a"}}}
            ).is_success
            assert_problem(client.post(library + route, json={"filter": {"not": {"and": []}}}), 422, "invalid-filter")

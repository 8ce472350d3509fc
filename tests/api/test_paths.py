from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from pergamum.api.paths import decoded, encoded, routable
from tests.api.conftest import NUMBERS, assert_problem, chunk, put

IDS = [
    "a/b",
    "..",
    ".",
    "a%2Fb",
    "%",
    "%25",
    "ünï/😀",
    ":batch",
    "x:search",
    "a b+c",
    "?q=#f",
    "/",
    "//",
    "\n",
    "chunks",
]


@pytest.mark.parametrize("id", IDS)
def test_any_id_round_trips(client: TestClient, library: str, id: str) -> None:
    url = f"{library}/documents/{encoded(id)}"
    put(client, library, encoded(id), chunk(id, 1, 1))

    assert client.get(url).json()["id"] == id
    assert client.get(f"{url}/chunks").json()["items"][0]["document_id"] == id
    assert client.get(f"{library}/chunks/{encoded(id)}").json()["id"] == id
    assert client.get(f"{library}/chunks", params={"document_id": id}).json()["items"][0]["id"] == id
    assert client.post(f"{library}/search", json={"vector": [1, 1]}).json()["hits"][0]["chunk_id"] == id
    assert client.delete(f"{library}/chunks/{encoded(id)}").status_code == 204
    assert client.delete(url).status_code == 204


def test_where_a_new_document_lies_can_be_followed(client: TestClient, library: str) -> None:
    for id in IDS:
        answer = client.post(f"{library}/documents", json={"id": id})
        assert client.get(answer.headers["location"]).json()["id"] == id


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_an_encoded_segment_is_one_segment_and_decodes_to_itself(id: str) -> None:
    for written in (encoded(id), quote(id, safe="")):
        path = routable(f"/documents/{written}/chunks".encode("ascii"))

        assert path.count("/") == 3
        assert decoded(path.split("/")[2]) == id


def test_a_verb_may_be_encoded(client: TestClient, library: str) -> None:
    assert client.post(f"{library}/documents%3Abatch", json={"documents": [{"id": "d"}]}).status_code == 200


def test_a_library_is_found_by_a_name_with_dots_and_spaces(client: TestClient) -> None:
    name = f".. %2F {next(NUMBERS)}"
    client.post("/v1/libraries", json={"name": name})

    assert client.get(f"/v1/libraries/{encoded(name)}").json()["name"] == name


@pytest.mark.parametrize("segment", ["%00", "a%00b", "%FF", "%ED%A0%80", "x" * 257])
def test_what_cannot_be_an_id_is_refused(client: TestClient, library: str, segment: str) -> None:
    for noun in ("documents", "chunks"):
        assert_problem(client.get(f"{library}/{noun}/{segment}"), 422, "invalid-request")


def test_very_long_paths_are_no_server_error(client: TestClient, library: str) -> None:
    assert client.get(f"/v1/libraries/{'y' * 20_000}").status_code == 422
    assert client.get(f"/{'z' * 20_000}").status_code == 404


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/libraries/", "/v1/libraries/a/b", "/v2/libraries"])
def test_an_unknown_path_is_a_problem(client: TestClient, path: str) -> None:
    assert assert_problem(client.get(path), 404, "not-found")["instance"] == path


def test_a_wrong_method_is_told_the_right_ones(client: TestClient, library: str) -> None:
    answer = client.put(f"{library}/search", json={})

    assert_problem(answer, 405, "method-not-allowed")
    assert "POST" in answer.headers["allow"]

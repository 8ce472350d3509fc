from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api.conftest import assert_problem, chunk, put, serving

JSON = {"content-type": "application/json"}
MALFORMED = [
    b"",
    b"{",
    b"nonsense",
    b'{"name": "a",}',
    b"\xff\xfe",
    b'{"name": "\xff"}',
    b'{"name": "\\ud800"}',
    b'{"\\ud800": 1}',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"metadata": {"n": ' + b"9" * 5_000 + b"}}",
    b"\xef\xbb\xbf{}",
]
MISSHAPEN: list[bytes] = [b"null", b"[]", b"1", b'"text"', b"NaN", b'{"a": NaN}', b'{"surprise": 1}']
WRITES = [
    ("POST", "/documents"),
    ("PUT", "/documents/d"),
    ("PATCH", "/documents/d"),
    ("POST", "/documents:batch"),
    ("POST", "/chunks"),
    ("PUT", "/chunks/c"),
    ("PATCH", "/chunks/c"),
    ("POST", "/chunks:batch"),
    ("POST", "/search"),
    ("POST", "/search:batch"),
    ("POST", "/index"),
    ("PATCH", ""),
]


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_a_body_that_is_not_json_is_refused(client: TestClient, library: str, method: str, path: str) -> None:
    for body in MALFORMED:
        answer = client.request(method, library + path, content=body, headers=JSON)
        assert_problem(answer, 400, "malformed-json")


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_json_of_another_shape_is_refused(client: TestClient, library: str, method: str, path: str) -> None:
    for body in MISSHAPEN:
        problem = assert_problem(
            client.request(method, library + path, content=body, headers=JSON), 422, "invalid-request"
        )
        assert problem["errors"][0]["field"].startswith("body")
        assert problem["errors"][0]["reason"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"vector": [1, 1], "recall": 1.5}, ["recall"]),
        ({"vector": [1, 1], "recall": "most"}, ["recall"]),
        ({"vector": [1, "a"]}, ["vector.1", "vector"]),
        ({"vector": "!!"}, ["vector"]),
        ({"vector": [1, 1], "group_by": 3}, ["group_by"]),
        ({"vector": [1, 1], "group_by": {"x": 3}}, ["group_by.field", "group_by.x", "group_by"]),
        ({"vector": [1, 1], "k": [3], "surprise": 1}, ["k", "surprise"]),
    ],
)
def test_a_field_is_named_as_the_body_names_it(
    client: TestClient, library: str, body: dict[str, Any], fields: list[str]
) -> None:
    problem = assert_problem(client.post(library + "/search", json=body), 422, "invalid-request")
    assert list(dict.fromkeys(error["field"] for error in problem["errors"])) == [f"body.{field}" for field in fields]


def test_a_field_deep_in_a_list_is_named_with_its_places(client: TestClient, library: str) -> None:
    body = {"documents": [{"id": "d"}, {"id": "e", "chunks": [{"id": "c"}, {"id": 3}]}]}
    problem = assert_problem(client.post(library + "/documents:batch", json=body), 422, "invalid-request")
    fields = {error["field"] for error in problem["errors"]}
    assert "body.documents.1.chunks.1.id" in fields


@pytest.mark.parametrize(("method", "path"), WRITES)
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/x-ndjson", "x"])
def test_another_content_type_is_refused(client: TestClient, library: str, method: str, path: str, kind: str) -> None:
    answer = client.request(method, library + path, content=b"{}", headers={"content-type": kind})

    assert_problem(answer, 415, "unsupported-media-type")


def test_json_is_accepted_with_parameters_and_merge_patch_for_patch_only(client: TestClient, library: str) -> None:
    charset, merge = (
        {"content-type": "Application/JSON; charset=utf-8"},
        {"content-type": "application/merge-patch+json"},
    )

    assert client.post(f"{library}/documents", content=b'{"id": "d"}', headers=charset).status_code == 201
    assert client.patch(f"{library}/documents/d", content=b'{"title": "t"}', headers=merge).status_code == 200
    assert_problem(client.post(f"{library}/documents", content=b"{}", headers=merge), 415, "unsupported-media-type")


def test_of_a_name_given_twice_the_last_counts(client: TestClient, library: str) -> None:
    answer = client.post(f"{library}/documents", content=b'{"id": "a", "id": "b"}', headers=JSON)

    assert answer.json()["id"] == "b"


@pytest.mark.parametrize(
    "fields",
    [
        {"id": ""},
        {"id": "nul\0"},
        {"id": "x" * 257},
        {"id": 5},
        {"title": "x" * 1_001},
        {"author": ["a"]},
        {"source_url": "x" * 2_049},
        {"tags": "one"},
        {"tags": ["x"] * 101},
        {"tags": [""]},
        {"metadata": []},
        {"metadata": {"big": "x" * 65_537}},
        {"metadata": {"integer": 2**63}},
        {"chunks": {}},
        {"chunks": [{"text": "", "embedding": [1, 1], "page_number": -1}]},
        {"chunks": [{"text": "", "embedding": [1, 1], "page_number": 2**31}]},
        {"chunks": [{"text": "", "embedding": [[1, 1]]}]},
        {"chunks": [{"text": "", "embedding": {"0": 1}}]},
        {"chunks": [{"text": "", "embedding": [1] * 16_385}]},
        {"chunks": [{"embedding": [1, 1]}]},
        {"chunks": [{"text": None, "embedding": [1, 1]}]},
        {"chunks": [{"text": "", "embedding": [1, 1], "document_id": "d"}]},
    ],
)
def test_a_field_out_of_bounds_is_refused(client: TestClient, library: str, fields: dict[str, Any]) -> None:
    assert_problem(client.post(f"{library}/documents", json=fields), 422, "invalid-request")
    assert client.get(library).json()["documents"] == 0


@pytest.mark.parametrize("value", ["NaN", "-Infinity", "1e999", "[" * 16 + "]" * 16])
def test_metadata_that_others_could_not_read_is_refused(client: TestClient, library: str, value: str) -> None:
    body = f'{{"metadata": {{"a": {value}}}}}'

    assert_problem(client.post(f"{library}/documents", content=body, headers=JSON), 422, "invalid-request")


def test_odd_but_lawful_values_come_back_as_they_went(client: TestClient, library: str) -> None:
    metadata = {
        "": -(2**63),
        "ü": [True, None, 1.5e300, {"deep": [[[]]]}],
        "nul": "a\0b",
        "big": 2**63 - 1,
        "😀": "\u2028",
    }
    body = {"id": "d", "metadata": metadata, "title": "\0", "chunks": [chunk("c", 1, -0.0, metadata=metadata)]}

    assert client.post(f"{library}/documents", json=body).status_code == 201

    assert client.get(f"{library}/documents/d").json()["metadata"] == metadata
    assert client.get(f"{library}/documents/d").json()["title"] == "\0"
    assert client.get(f"{library}/chunks/c").json()["metadata"] == metadata


def test_bodies_are_bounded_announced_or_not(tmp_path: Path) -> None:
    def unannounced() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 100

    with serving(tmp_path / "data", max_body_bytes=2_048) as client:
        for body in (b" " * 2_049, unannounced()):
            answer = client.post("/v1/libraries", content=body, headers=JSON)
            assert assert_problem(answer, 413, "too-large")["limit"] == 2_048
        assert client.post("/v1/libraries", content=b'{"name": "a"}' + b" " * 2_035, headers=JSON).status_code == 201


def test_batches_are_bounded(tmp_path: Path) -> None:
    with serving(tmp_path / "data", max_batch_items=2, max_batch_queries=2, max_k=5, max_page=3) as client:
        client.post("/v1/libraries", json={"name": "a", "dimension": 2})
        url = "/v1/libraries/a"
        put(client, url, "d")
        chunks = [chunk(str(n), 1, 1, document_id="d") for n in range(3)]

        for path, body in (
            ("documents:batch", {"documents": [{}] * 3}),
            ("chunks:batch", {"chunks": chunks}),
            ("search:batch", {"queries": [{"vector": [1, 1]}] * 3}),
        ):
            assert assert_problem(client.post(f"{url}/{path}", json=body), 413, "too-large")["limit"] == 2
        assert_problem(client.post(f"{url}/search", json={"vector": [1, 1], "k": 6}), 422, "invalid-field")
        assert_problem(client.get(f"{url}/chunks", params={"limit": 4}), 422, "invalid-field")
        assert client.get(f"{url}/chunks").status_code == 200

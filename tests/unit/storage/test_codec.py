"""Settings are read as every release has written them."""

import json

from pergamum.domain.schema import MetadataSchema, SchemaMode
from pergamum.storage.sqlite.codec import library_of, library_text
from tests.support.storage import library

FORMAT_2 = (
    '{"id":"2f0f4c1d-98b0-4a57-8d1c-0b3c1a529e77","name":"papers","description":null,"metric":"cosine",'
    '"dimension":null,"embedding_model":"local","index":{"kind":"auto","params":{}},"recall":0.95,'
    '"chunking":{"size":1200,"overlap":200},"version":3,"created_at":1763712000000000,"updated_at":1763712000000000}'
)


def test_a_library_from_before_schemas_holds_any_metadata() -> None:
    found = library_of(FORMAT_2)

    assert found.metadata_schema == MetadataSchema(SchemaMode.OPEN, loose=None)
    assert (found.name, found.version) == ("papers", 3)


def test_it_is_written_with_its_schema_and_read_again() -> None:
    found = library_of(FORMAT_2)

    text = library_text(found)

    assert json.loads(text) == json.loads(FORMAT_2) | {"metadata_schema": json.loads(text)["metadata_schema"]}
    assert library_of(text) == found


def test_a_new_library_infers() -> None:
    kept = library()

    assert json.loads(library_text(kept))["metadata_schema"] == {
        "mode": "inferred",
        "version": 1,
        "era": 1,
        "documents": {},
        "chunks": {},
    }
    assert library_of(library_text(kept)) == kept

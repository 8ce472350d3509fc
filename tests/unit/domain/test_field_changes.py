"""What changes that are the same for every row make of one."""

import pytest

from pergamum.domain.field_changes import FieldChanges, edits
from pergamum.domain.fields import FieldType, Level, ScalarType
from pergamum.domain.json import Json, JsonObject
from pergamum.domain.schema import MetadataField, MetadataSchema
from pergamum.errors import InvalidField
from tests.support.storage import NOW, document, stored

SCHEMA = MetadataSchema(
    documents={
        "times": MetadataField("times", FieldType(ScalarType.DATETIME, many=True)),
        "year": MetadataField("year", FieldType(ScalarType.INTEGER)),
        "metadata.odd": MetadataField("metadata.odd", FieldType(ScalarType.INTEGER)),
    }
)


def _changed(before: JsonObject, **changes: object) -> JsonObject:
    made = edits(FieldChanges(**changes), Level.DOCUMENT, SCHEMA)  # type: ignore[arg-type]  # test data
    return made.of_document(document(metadata=before), NOW).metadata


@pytest.mark.parametrize(
    ("before", "values", "after"),
    [
        (None, [1, 1, 2], [1, 2]),
        ([2, 1], [1, 3], [2, 1, 3]),
        ([1, 1], [2], [1, 1, 2]),
        ([1], [True, 1.0, "1"], [1, True, 1.0, "1"]),
        ([], [], []),
    ],
)
def test_appending_adds_what_is_not_there_yet(before: Json, values: list[Json], after: Json) -> None:
    assert _changed({} if before is None else {"free": before}, append={"free": values}) == {"free": after}


@pytest.mark.parametrize(
    ("before", "values", "after"),
    [({}, [1], {}), ({"free": [1, 2, 1]}, [1], {"free": [2]}), ({"free": [True]}, [1], {"free": [True]})],
)
def test_removing_takes_out_every_equal_element(before: JsonObject, values: list[Json], after: JsonObject) -> None:
    assert _changed(before, remove={"free": values}) == after


def test_elements_are_equal_by_the_type_of_their_field() -> None:
    noon, same = "2026-01-01T12:00:00Z", "2026-01-01T13:00:00+01:00"

    assert _changed({"times": [noon]}, append={"times": [same]}) == {"times": [noon]}
    assert _changed({"times": [noon]}, remove={"times": [same]}) == {"times": []}
    assert _changed({"free": [noon]}, remove={"free": [same]}) == {"free": [noon]}


def test_names_are_of_fixed_fields_first_and_prefixes_come_off_last() -> None:
    made = edits(FieldChanges(set={"title": "a", "metadata.title": "b", "metadata.odd": 1}), Level.DOCUMENT, SCHEMA)

    changed = made.of_document(document(), NOW)

    assert (changed.title, changed.metadata) == ("a", {"title": "b", "metadata.odd": 1})


def test_fixed_fields_are_emptied_by_null_and_by_unset() -> None:
    before = document(title="t", tags=("a",), author="x", metadata={"year": 1, "kept": None})

    changed = edits(FieldChanges(set={"tags": None, "year": None}, unset=("title",)), Level.DOCUMENT, SCHEMA)
    after = changed.of_document(before, NOW)

    assert (after.title, after.tags, after.author, after.metadata) == (None, (), "x", {"kept": None})
    assert after.version == before.version + 1


def test_chunks_change_their_page_and_metadata() -> None:
    made = edits(FieldChanges(set={"page_number": 3, "title": "mine"}), Level.CHUNK, SCHEMA)

    chunk = made.of_chunk(stored(0).chunk, NOW)

    assert (chunk.page_number, chunk.metadata, chunk.version) == (3, {"title": "mine"}, 2)


@pytest.mark.parametrize(
    "changes",
    [
        FieldChanges(set={"version": 3}),
        FieldChanges(unset=("created_at",)),
        FieldChanges(append={"title": ["x"]}),
        FieldChanges(remove={"year": [1]}),
        FieldChanges(set={"year": 1}, unset=("metadata.year",)),
    ],
)
def test_changes_there_cannot_be_are_refused(changes: FieldChanges) -> None:
    with pytest.raises(InvalidField):
        edits(changes, Level.DOCUMENT, SCHEMA)


def test_appending_to_what_is_no_list_is_refused() -> None:
    with pytest.raises(InvalidField):
        _changed({"free": "one"}, append={"free": ["two"]})

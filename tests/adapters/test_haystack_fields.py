"""Whatever `meta` is written, one after the other, the server's own rules take it, and it is read as it was."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pergamum.adapters.haystack_fields import MetaWriter, column, meta_of, stale_names, times_of
from pergamum.domain.fields import Level
from pergamum.domain.metadata import accepted
from pergamum.domain.schema import MetadataSchema, SchemaMode

DATES = ["2026-11-21", "2026-11-21T09:30:00", "2026-11-21 09:30Z", "0001-01-01T00:00:00+05:00", "2026-13-01"]
NAMES = st.sampled_from(["a", "b", "a.b", "", "é", "c" * 120, "d" * 300, "haystack", "other", "line\nend"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "x", *DATES])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6
)
METAS = st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=5)


@given(METAS)
def test_what_is_written_is_accepted_and_read_as_it_was(metas: list[dict[str, Any]]) -> None:
    writer = MetaWriter({})
    schema = MetadataSchema(mode=SchemaMode.INFERRED)

    for meta in metas:
        made = writer.metadata(meta)
        _, schema = accepted(schema, Level.DOCUMENT, made)

        assert json.dumps(meta_of(made), sort_keys=True) == json.dumps(meta, sort_keys=True)


@given(METAS)
def test_a_writer_that_begins_anew_writes_the_same(metas: list[dict[str, Any]]) -> None:
    """The types that a writer has fixed are those that the server knows by then."""
    writer = MetaWriter({})
    schema = MetadataSchema(mode=SchemaMode.INFERRED)

    for meta in metas:
        fresh = MetaWriter({name: str(field.type) for name, field in schema.documents.items()})
        made = writer.metadata(meta)
        _, schema = accepted(schema, Level.DOCUMENT, made)

        assert fresh.metadata(meta) == made


@given(METAS, st.dictionaries(NAMES, VALUES, max_size=4), NAMES, VALUES)
def test_an_update_leaves_what_would_have_been_written(
    before: list[dict[str, Any]], meta: dict[str, Any], name: str, value: object
) -> None:
    writer = MetaWriter({})
    schema = MetadataSchema(mode=SchemaMode.INFERRED)
    for written in [*before, meta, {name: value}]:
        _, schema = accepted(schema, Level.DOCUMENT, writer.metadata(written))
    types = {field: str(known.type) for field, known in schema.documents.items()}
    stored = MetaWriter(types).metadata(meta)

    kept = {field: said for field, said in stored.items() if field not in stale_names(types, name)}

    updated = kept | MetaWriter(types).metadata({name: value})
    assert updated == MetaWriter(types).metadata({**meta, name: value})


def test_times_sort_as_they_are_written() -> None:
    written = ["0099-01-01", "1969-07-21T20:17:40", "1969-07-21T20:17:40.000001", "9999-12-31"]
    times = [times_of(one) for one in written]

    assert [time.wall for time in times if time] == sorted(time.wall for time in times if time)
    assert len([time for time in times if time]) == 4
    assert times_of("2026-13-01") is times_of("21.11.2026") is times_of(5) is None


def test_columns_are_named_by_kind_and_path() -> None:
    assert column("wall", "person.born") == "haystack:wall:person.born"

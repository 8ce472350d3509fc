"""Values as JSON, the types they show, and places without their secrets."""

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.domain.fields import ScalarType
from pergamum.moving.fields import Fields
from pergamum.moving.place import told
from pergamum.moving.report import Lost, Report
from pergamum.moving.values import NoJson, as_json, kind_of
from pergamum.wire.common import check_metadata

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.decimals() | st.uuids()
    | st.datetimes(timezones=st.none() | st.just(UTC)) | st.dates() | st.times() | st.characters(categories=["Cs"])
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4) | st.tuples(inner)
    ),
    max_leaves=10,
)


@given(value=VALUES)
def test_what_becomes_of_a_value_is_json_that_the_server_takes(value: object) -> None:
    try:
        spelled = as_json(value)
    except NoJson:
        return

    again = json.loads(json.dumps(spelled, allow_nan=False, ensure_ascii=False).encode())
    assert again == spelled
    check_metadata({"field": again})


@given(
    value=st.text()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
)
def test_what_json_has_comes_unchanged(value: object) -> None:
    spelled = as_json(value)

    assert spelled == value
    assert type(spelled) is type(value)


@pytest.mark.parametrize(
    ("value", "spelled", "kind"),
    [
        (datetime(2026, 11, 21, 9, 30, tzinfo=UTC), "2026-11-21T09:30:00+00:00", "datetime"),
        (datetime(2026, 11, 21, 9, 30), "2026-11-21T09:30:00", "string"),  # noqa: DTZ001 - without a zone is the case
        (date(2026, 11, 21), "2026-11-21", "string"),
        (time(9, 30), "09:30:00", "string"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001", "uuid"),
        (Decimal("1.50"), 1.5, "float"),
        (np.int64(3), 3, "integer"),
        (np.float32(0.5), 0.5, "float"),
        (np.array([1, 2]), [1, 2], "list[integer]"),
        ({"b", "a"}, ["a", "b"], "list[string]"),
        ([1, 0.5], [1, 0.5], "list[float]"),
        ([1, "a"], [1, "a"], "mixed or nested values"),
        ({"lat": 1, "lon": 2}, {"lat": 1, "lon": 2}, "geo_point"),
        ({"a": None}, {"a": None}, "mixed or nested values"),
    ],
)
def test_every_type_has_its_form(value: Any, spelled: object, kind: str) -> None:  # noqa: ANN401 - any value
    assert as_json(value) == spelled
    assert kind_of(value, as_json(value), None) == kind


def test_a_declared_type_counts_where_the_value_fits() -> None:
    assert kind_of("2026-11-21T09:30:00Z", "2026-11-21T09:30:00Z", ScalarType.DATETIME) == "datetime"
    assert kind_of("yesterday", "yesterday", ScalarType.DATETIME) == "string"


def test_counts_of_fields_add_up() -> None:
    one, other = Fields({"a": {"integer": 2}, "b": {"string": 1}}), Fields({"a": {"integer": 1, "float": 5}})

    one.add(other)

    assert one.seen == {"a": {"integer": 3, "float": 5}, "b": {"string": 1}}
    assert one.declared() == {"a": {"type": "float"}, "b": {"type": "string"}}


def test_a_report_stays_small_however_much_goes_wrong() -> None:
    whole = Report()
    for number in range(1_000):
        page = Report(read=1)
        page.leave_out(f"row {number}", "have no vector", "x" * 1_000)
        page.note(Lost.PART, f"reason {number}", "y")
        page.fields.watch(f"field {number}", "integer")
        whole.add(page)

    assert (whole.read, whole.left_out, len(whole.findings)) == (1_000, 1_000, 201)
    (found,) = whole.of(Lost.ROW)
    assert (found.count, len(found.examples)) == (1_000, 3)
    assert max(map(len, found.examples)) < 200
    assert sum(found.count for found in whole.of(Lost.PART)) == 1_000


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("./chroma", "./chroma"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("postgresql://me:secret@host/db", "postgresql://me:***@host/db"),  # pragma: allowlist secret - made up
        ("postgresql://me:se@cret@host/?a=b", "postgresql://me:***@host/?a=b"),  # pragma: allowlist secret - made up
        (
            "postgresql://h/?password=secret&x=1",
            "postgresql://h/?password=***&x=1",
        ),  # pragma: allowlist secret - made up
        ("host=h password=secret dbname=d", "host=h password=*** dbname=d"),  # pragma: allowlist secret - made up
        ("password = 'se \\' cret' dbname=d", "password = *** dbname=d"),  # pragma: allowlist secret - made up
        ("https://h/?api_key=secret", "https://h/?api_key=***"),  # pragma: allowlist secret - made up
    ],
)
def test_a_place_is_told_without_its_secrets(place: str, shown: str) -> None:
    assert told(place) == shown

"""The tests of tests/api/test_schema_and_filters.py, of a process that only reads."""

from tests.api.test_schema_and_filters import *  # noqa: F403

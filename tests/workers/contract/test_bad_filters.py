"""The tests of tests/api/test_bad_filters.py, of a process that only reads."""

from tests.api.test_bad_filters import *  # noqa: F403

"""The tests of tests/api/test_search.py, of a process that only reads."""

from tests.api.test_search import *  # noqa: F403

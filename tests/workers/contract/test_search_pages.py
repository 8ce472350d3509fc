"""The tests of tests/api/test_search_pages.py, of a process that only reads."""

from tests.api.test_search_pages import *  # noqa: F403

"""The tests of tests/api/test_paths.py, of a process that only reads."""

from tests.api.test_paths import *  # noqa: F403

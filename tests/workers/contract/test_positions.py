"""The tests of tests/api/test_positions.py, of a process that only reads."""

from tests.api.test_positions import *  # noqa: F403

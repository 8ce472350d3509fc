"""Lets a failed assert in the shared helpers say as much as one in a test."""

import pytest

pytest.register_assert_rewrite("tests.support.rest", "tests.support.rest_machine")

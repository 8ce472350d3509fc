"""The tests of tests/api/test_search_options.py, of a process that only reads."""

from tests.api.test_search_options import *  # noqa: F403

del test_explain_tells_whether_the_filter_was_known  # noqa: F821  # each process knows the filters that it has met

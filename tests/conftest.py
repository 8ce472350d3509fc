"""What every test may use: the data folder, hypothesis profiles, a clean environment, the count of skipped tests."""

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
KEPT = {"PERGAMUM_TEST_DATA", "PERGAMUM_KERNEL_CACHE"}

# No test may fail for its time, so neither does a health check: a busy machine is no fault of the code.
settings.register_profile(
    "ci",
    max_examples=100,
    deadline=None,
    print_blob=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("quick", settings.get_profile("ci"), max_examples=15)
settings.register_profile("thorough", settings.get_profile("ci"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_configure() -> None:
    """Forget the developer's own settings and keys: no test may depend on them, or spend them."""
    for name in list(os.environ):
        if name.startswith(("PERGAMUM_", "CO_API_", "COHERE_")) and name not in KEPT:
            del os.environ[name]
    os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"  # read when it is imported; no test tells anybody anything


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real corpora and vectors: PERGAMUM_TEST_DATA, or ../shared/data beside the checkout."""
    folder = Path(os.environ.get("PERGAMUM_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder} (set PERGAMUM_TEST_DATA)")
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests were skipped and why, all alike reasons together."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
    terminalreporter.section(f"{len(skipped)} tests skipped")
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count:5d}  {reason}")

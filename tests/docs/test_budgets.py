"""The budgets that CONTRIBUTING.md names hold: short functions, short files, few parameters, little nesting."""

from statistics import median

from tests.support.source import ROOT, SOURCE, functions


def test_no_function_is_longer_than_its_budget() -> None:
    offenders = [
        f"{found.lines} lines: {found.place}" for found in functions() if found.lines > (80 if found.kernel else 60)
    ]

    assert offenders == []


def test_most_functions_are_short() -> None:
    lengths = [found.lines for found in functions() if not found.kernel]
    short = sum(length < 30 for length in lengths)

    assert median(lengths) <= 8
    assert short >= 0.95 * len(lengths)


def test_no_function_takes_more_positional_parameters_than_its_budget() -> None:
    offenders = [found for found in functions() if found.positional > (10 if found.kernel else 5)]

    assert offenders == []


def test_no_function_nests_blocks_deeper_than_its_budget() -> None:
    offenders = [
        f"{found.nesting}: {found.place}" for found in functions() if found.nesting > (4 if found.kernel else 3)
    ]

    assert offenders == []


def test_no_file_is_longer_than_its_budget() -> None:
    files = [*SOURCE.rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    lengths = {str(path.relative_to(ROOT)): path.read_text().count("\n") for path in files}

    assert {path: length for path, length in lengths.items() if length > 400} == {}

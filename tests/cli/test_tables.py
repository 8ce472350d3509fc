"""Files of rows: each form gives the same rows, from any row on, and says what is wrong."""

import gzip
import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pergamum.cli.tables import BadRow, Fields, UnreadableFile, open_table

ROWS = [{"id": f"00{number}", "text": f"text {number}", "year": 1900 + number} for number in range(1, 8)]


def written(folder: Path, name: str) -> Path:
    path = folder / name
    lines = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(lines))
    elif name.endswith(".jsonl"):
        path.write_bytes(lines)
    elif name.endswith(".csv"):
        pl.DataFrame(ROWS).write_csv(path)
    else:
        pl.DataFrame(ROWS).write_parquet(path)
    return path


def fields_of(path: Path, after: int = 0) -> list[Fields | BadRow]:
    return [row.fields for row in open_table(path, {"id", "text"}).rows(after)]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.csv", "a.parquet"])
def test_every_form_gives_the_rows_from_any_row_on(tmp_path: Path, name: str) -> None:
    table = open_table(written(tmp_path, name), {"id", "text"})

    for after in (0, 3, 7):
        rows = list(table.rows(after))
        assert [row.fields for row in rows] == ROWS[after:]
        assert [row.number for row in rows] == list(range(after + 1, 8))
        assert all(0 < row.read <= table.total for row in rows)


def test_a_line_keeps_its_number_when_lines_before_it_are_empty_or_wrong(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n\n   \nnot json\n[1]\n{"a": 2}')

    rows = list(open_table(path, ()).rows(0))

    assert [row.number for row in rows] == [1, 4, 5, 6]
    assert [isinstance(row.fields, BadRow) for row in rows] == [False, True, True, False]
    assert rows[-1].fields == {"a": 2}


def test_a_gzip_file_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(gzip.compress(b'{"a": 1}\n'))

    assert fields_of(path) == [{"a": 1}]


def test_a_gzip_file_cut_short_is_refused_after_its_good_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(b'{"a": %d}\n' % n for n in range(50_000)))[:-500])
    rows = open_table(path, ()).rows(0)

    assert next(rows).fields == {"a": 0}
    with pytest.raises(UnreadableFile, match=r"a\.jsonl\.gz"):
        list(rows)


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.txt"])
def test_a_file_of_another_form_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"")

    with pytest.raises(UnreadableFile):
        open_table(path, ())


def test_numbers_of_a_csv_file_are_numbers_unless_a_leading_zero_would_be_lost(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,zip,year,share,note\n1,00501,1999,0.5,\n2,10001,2000,1.5,x\n")

    rows = fields_of(path)

    assert rows[0] == {"id": "1", "zip": "00501", "year": 1999, "share": 0.5, "note": None}
    assert rows[1] == {"id": "2", "zip": "10001", "year": 2000, "share": 1.5, "note": "x"}


def test_cells_of_a_parquet_file_become_json(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    frame = pl.DataFrame({"day": [date(2026, 11, 21)], "share": [float("nan")], "v": [[1.0, 2.0]], "s": [{"a": 1}]})
    frame.write_parquet(path)

    assert fields_of(path) == [{"day": "2026-11-21", "share": None, "v": [1.0, 2.0], "s": {"a": 1}}]

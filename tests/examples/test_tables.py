"""Descriptions of tables."""

import csv
import io
import math
import statistics
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.text import describe_csv

relaxed = settings(deadline=None)

VISITS = """\
day,visitors,rain,mood,open,note
2025-01-06,120,0.5,good,yes,
2025-01-07,98,n/a,bad,yes,
2025-01-08,141,1.5,good,no,-
"""


def test_each_column_gets_its_type_and_figures() -> None:
    """Numbers get figures, dates their range, texts their most frequent values; gaps are counted apart."""
    table = describe_csv(VISITS)
    assert (table.delimiter, table.rows) == (",", 3)
    day, visitors, rain, mood, is_open, note = table.columns
    assert (day.type, day.low, day.high) == ("date", "2025-01-06", "2025-01-08")
    assert (visitors.type, visitors.low, visitors.high, visitors.median) == ("integer", 98, 141, 120)
    assert visitors.stdev == pytest.approx(statistics.stdev([120, 98, 141]))
    assert (rain.type, rain.count, rain.missing, rain.mean) == ("number", 2, 1, 1.0)
    assert (mood.type, mood.distinct, mood.top) == ("text", 2, (("good", 2), ("bad", 1)))
    assert is_open.type == "boolean"
    assert (note.type, note.missing) == ("empty", 3)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_the_delimiter_is_found_out(delimiter: str, line_end: str) -> None:
    """Also when the cells hold the other ones, in quotes or not."""
    other = ";" if delimiter == "," else ","
    rows = [["name", "note"], ["a", f"x{other}y"], ["b", f'"q{delimiter}""r"""'], ["c", "z"]]
    table = describe_csv(line_end.join(delimiter.join(row) for row in rows))
    assert table.delimiter == delimiter
    assert [column.name for column in table.columns] == ["name", "note"]
    assert table.rows == 3


def test_between_semicolons_a_comma_is_a_decimal_point() -> None:
    table = describe_csv("a;b\n1,5;x\n2,5;y\n")
    assert (table.columns[0].type, table.columns[0].mean) == ("number", 2.0)


def test_a_table_may_lack_a_header() -> None:
    """A number in the first row tells."""
    table = describe_csv("1,x\n2,y\n")
    assert table.rows == 2
    assert [column.name for column in table.columns] == ["column 1", "column 2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the table is empty"),
        (" \n \n", "the table is empty"),
        ("a,b\n", "header but no rows"),
        ("a,b\n1,2\n3\n", "row 3 has 1 cells where the first has 2"),
        ("a,b\n1,2,3\n4,5\n", "row 2 has 3 cells where the first has 2"),
        ('a,b\n"1,2\n', "line 2: unexpected end of data"),
        ('a,b\n"1"2,3\n', "line 2: "),
        ("a,b\n1," + "x" * 200_000, "line 2: field larger"),
    ],
)
def test_a_broken_table_is_refused_with_the_place(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        describe_csv(text)


@relaxed
@given(st.text() | st.text(alphabet='a1,;|\t"\n\r -.e', max_size=60))
def test_any_text_is_described_or_refused_with_a_value_error(text: str) -> None:
    """No other exception comes out, and each cell is counted once."""
    with suppress(ValueError):
        table = describe_csv(text)
        assert all(column.count + column.missing == table.rows for column in table.columns)
        assert all(column.distinct <= column.count for column in table.columns)


@relaxed
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=30))
def test_the_figures_of_numbers_are_right(numbers: list[float]) -> None:
    """They agree with the statistics module and lie where figures must lie."""
    (column,) = describe_csv("value\n" + "".join(f"{number!r}\n" for number in numbers)).columns
    assert column.count == len(numbers)
    assert column.low == pytest.approx(min(numbers), rel=1e-9)
    assert column.high == pytest.approx(max(numbers), rel=1e-9)
    assert column.mean == pytest.approx(math.fsum(numbers) / len(numbers), rel=1e-6, abs=1e-30)
    assert column.median == pytest.approx(statistics.median(numbers), rel=1e-6, abs=1e-30)
    assert isinstance(column.low, (int, float))
    assert isinstance(column.high, (int, float))
    assert column.low <= (column.mean or 0.0) <= column.high
    assert (column.stdev is None) == (len(numbers) == 1)


@relaxed
@given(st.lists(st.lists(st.text(max_size=8), min_size=2, max_size=2), min_size=1, max_size=8))
def test_what_the_csv_module_writes_is_read(rows: list[list[str]]) -> None:
    """Any cells at all, quoted by the standard writer, give a table of the right shape."""
    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["left", "right"], *rows])
    table = describe_csv(file.getvalue())
    assert (table.rows, len(table.columns)) == (len(rows), 2)

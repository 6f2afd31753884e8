"""Tables in delimited text, column by column."""

import math
import re
import statistics
from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import Any

from examples.text.dialects import read_rows, sniff_delimiter

_MISSING = frozenset(("", "-", "\N{EN DASH}", "?", "n/a", "na", "nan", "nil", "none", "null", "k.a."))
_TRUTHS = frozenset(("true", "false", "yes", "no", "ja", "nein"))
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,15}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LARGEST = 1e150  # the square of a larger one would leave the range of floats
_TOP_VALUES = 3
_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnDescription:
    """One column. ``low`` and ``high`` are set for numbers and dates, the other figures for numbers only."""

    name: str
    type: str  # integer, number, boolean, date, text or empty
    count: int  # cells with a value
    missing: int  # cells that are empty, or say n/a or the like
    distinct: int  # different values
    low: float | str | None = None
    high: float | str | None = None
    mean: float | None = None
    median: float | None = None
    stdev: float | None = None  # of the sample; None for fewer than two values
    top: tuple[tuple[str, int], ...] = ()  # the most frequent values, for booleans and texts


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDescription:
    """A table."""

    delimiter: str
    rows: int  # without the header
    columns: tuple[ColumnDescription, ...]


def describe_csv(text: str) -> TableDescription:
    """Describe each column of a table in delimited text.

    The delimiter (comma, semicolon, tab or bar) is found out. The first row is the header, unless a number stands in
    it. Between semicolons, ``3,5`` is a number.

    Raises:
        ValueError: The text holds no rows, a row has another number of cells than the first, or the quotes do not fit
            together. The message names the row or line.
    """
    delimiter = sniff_delimiter(text)
    rows = read_rows(text, delimiter)
    if not rows:
        raise ValueError("the table is empty")
    decimal_comma = delimiter == ";"
    has_header = all(_parse_number(cell, decimal_comma=decimal_comma) is None for cell in rows[0])
    if has_header and len(rows) == 1:
        raise ValueError("the table has a header but no rows")
    width = len(rows[0])
    for number, row in enumerate(rows, start=1):
        if len(row) != width:
            raise ValueError(f"row {number} has {len(row)} cells where the first has {width}")
    names = rows[0] if has_header else [""] * width
    body = rows[has_header:]
    columns = tuple(
        _describe_column(name or f"column {number}", list(cells), decimal_comma=decimal_comma)
        for number, (name, cells) in enumerate(zip(names, zip(*body, strict=True), strict=True), start=1)
    )
    return TableDescription(delimiter=delimiter, rows=len(body), columns=columns)


def _describe_column(name: str, cells: list[str], *, decimal_comma: bool) -> ColumnDescription:
    values = [cell for cell in cells if cell.casefold() not in _MISSING]
    return ColumnDescription(
        name=name,
        count=len(values),
        missing=len(cells) - len(values),
        distinct=len(set(values)),
        **_describe_values(values, decimal_comma=decimal_comma),
    )


def _describe_values(values: list[str], *, decimal_comma: bool) -> dict[str, Any]:
    """Find out the type, and the figures that go with it."""
    if not values:
        return {"type": "empty"}
    numbers = [_parse_number(value, decimal_comma=decimal_comma) for value in values]
    found = [number for number in numbers if number is not None]
    if len(found) == len(values):
        whole = all(_WHOLE.fullmatch(value) for value in values)
        figures = _summarize_numbers(found)
        if whole:
            figures |= {"low": int(min(found)), "high": int(max(found))}
        return {"type": "integer" if whole else "number", **figures}
    if all(_is_date(value) for value in values):
        return {"type": "date", "low": min(values), "high": max(values)}
    truths = all(value.casefold() in _TRUTHS for value in values)
    top = Counter(value[:_SHOWN_CHARACTERS] for value in values).most_common(_TOP_VALUES)
    return {"type": "boolean" if truths else "text", "top": tuple(top)}


def _summarize_numbers(numbers: list[float]) -> dict[str, float | int | None]:
    low, high = min(numbers), max(numbers)
    mean = min(max(math.fsum(numbers) / len(numbers), low), high)  # rounding may carry a mean past its numbers
    squares = math.fsum((number - mean) ** 2 for number in numbers)
    return {
        "low": _trim(low),
        "high": _trim(high),
        "mean": _trim(mean),
        "median": _trim(statistics.median(numbers)),
        "stdev": _trim(math.sqrt(squares / (len(numbers) - 1))) if len(numbers) > 1 else None,
    }


def _trim(number: float) -> float:
    """Keep ten significant digits: enough for a table, and 0.1 + 0.2 stays 0.3."""
    return float(f"{number:.10g}")


def _parse_number(cell: str, *, decimal_comma: bool) -> float | None:
    if decimal_comma and cell.count(",") == 1 and "." not in cell:
        cell = cell.replace(",", ".")
    if not _NUMBER.fullmatch(cell):
        return None
    number = float(cell)
    return number if abs(number) <= _LARGEST else None


def _is_date(value: str) -> bool:
    if not _DATE.fullmatch(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True

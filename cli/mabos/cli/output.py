"""What the command prints: tables for people, JSON for programs, progress on long work.

Results go to standard output, everything else to standard error, so that a pipe gets results only.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

console = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False, markup=False)
"""For people: steps, warnings, errors. It takes what it is given as it is: no markup, no ``:emoji:``."""

_GAP = "  "
# What would break the line, move the cursor, or turn the text round.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Output(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"


def print_rows(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], output: Output) -> None:
    """Print results: a table with these columns, one JSON array, or a JSON object a line, as soon as it is there."""
    if output is Output.NDJSON:
        for row in rows:
            _write(_dump(row))
    elif output is Output.JSON:
        _write(json.dumps(list(rows), ensure_ascii=False, indent=2))
    else:
        _print_table(
            [name.replace("_", " ") for name in columns], [[_cell(row.get(c)) for c in columns] for row in rows]
        )


def print_record(record: Mapping[str, Any], output: Output) -> None:
    """Print one result: a line per field, or JSON."""
    if output is Output.TABLE:
        width = max(len(name) for name in record)
        for name, value in record.items():
            _write(f"{name.replace('_', ' '):<{width}}{_GAP}{_cell(value)}")
    else:
        _write(json.dumps(record, ensure_ascii=False, indent=2) if output is Output.JSON else _dump(record))


def print_line(text: str) -> None:
    """Print a result that is a sentence."""
    _write(one_line(text))


def print_step(text: str) -> None:
    """Say what is being done now."""
    console.print(f"· {one_line(text)}")


def print_note(text: str) -> None:
    """Say something on standard error."""
    console.print(one_line(text))


def print_warning(text: str) -> None:
    """Say what is not as it should be."""
    console.print(one_line(text), style="yellow")


def print_error(text: str) -> None:
    """Say in one line what went wrong."""
    console.print(Text.assemble(("error:", "bold red"), " ", one_line(text)))


def one_line(text: str) -> str:
    """The text with line breaks and other characters that a terminal would obey written as escapes."""
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def progress_bar() -> Progress:
    """A bar with count, rate and time left, on standard error; nothing where that is no terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
        console=console,
        redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),  # else results would go to standard error
        disable=not console.is_terminal,
    )


def make_streams_safe() -> None:
    """UTF-8 where a program reads, the terminal's own encoding where a person does; no character is ever an error."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # it is, after `>&-`
            encoding = stream.encoding if stream.isatty() else "utf-8"
            stream.reconfigure(encoding=encoding, errors="backslashreplace")  # type: ignore[union-attr]  # a TextIOWrapper


def _print_table(names: list[str], rows: list[list[str]]) -> None:
    if sys.stdout is not None and sys.stdout.isatty():
        table = Table(box=None, pad_edge=False, padding=(0, len(_GAP), 0, 0), header_style="bold")
        for name in names:
            table.add_column(name, overflow="fold")
        for row in rows:
            table.add_row(*map(Text, row))
        Console(highlight=False).print(table)
        return
    widths = [max(map(cell_len, cells)) for cells in zip(names, *rows, strict=True)]
    for row in [names, *rows]:  # a pipe has no width: nothing is wrapped or cut
        padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        _write(_GAP.join(padded).rstrip())


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    return one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _dump(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()

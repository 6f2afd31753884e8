"""What the command prints: tables for people, JSON for programs, progress on long work.

Results go to standard output, everything else to standard error, so that a pipe gets results only.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

console = Console(stderr=True, highlight=False, soft_wrap=True)
"""For people: steps, warnings, errors."""


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
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column.replace("_", " "), overflow="fold")
        for row in rows:
            table.add_row(*(_cell(row.get(column)) for column in columns))
        Console(soft_wrap=not sys.stdout.isatty(), highlight=False).print(table)


def print_record(record: Mapping[str, Any], output: Output) -> None:
    """Print one result: a line per field, or JSON."""
    if output is Output.TABLE:
        width = max(len(name) for name in record)
        for name, value in record.items():
            _write(f"{name.replace('_', ' '):<{width}}  {_cell(value).plain}")
    else:
        _write(json.dumps(record, ensure_ascii=False, indent=2) if output is Output.JSON else _dump(record))


def progress_bar() -> Progress:
    """A bar with count, rate and time left, on standard error; nothing where that is no terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _cell(value: object) -> Text:
    if value is None:
        return Text("-")
    return Text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _dump(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()

"""What came out, as a table for people and as ``docs/benchmarks.md``."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.claims import Row

_WIDTH = 120


def print_rows(rows: Sequence[Row]) -> None:
    """Print each row's figures and verdicts on standard output."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    for row in rows:
        table = Table(title=row.title, title_justify="left", title_style="bold", box=None, pad_edge=True)
        for column in ("", "median", "min..max", "bound", ""):
            table.add_column(column, justify="left" if not column else "right", no_wrap=True)
        for figure in row.figures:
            table.add_row(figure.name, figure.median_text, figure.range_text)
        for claim in row.claims:
            spread = f"{claim.show(min(claim.values))}..{claim.show(max(claim.values))}"
            bound = f"{claim.sense} {claim.show(claim.bound)}"
            style = "green" if claim.holds else "red"
            table.add_row(claim.text, claim.show(claim.median), spread, bound, f"[{style}]{claim.verdict}[/]")
        console.print(table)
        console.print()

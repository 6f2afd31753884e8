"""What came out, as tables for people and as ``docs/benchmarks.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.claims import Claim, Row
from benchmarks.load.section import read_section
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.plot import draw

_WIDTH = 120
_DOCS = Path(__file__).parents[1] / "docs"
_METHOD = Path(__file__).with_name("method.md")


def print_rows(rows: Sequence[Row]) -> None:
    """Print each row's figures and verdicts on standard output."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    for row in rows:
        console.print(row.title, style="bold", markup=False, soft_wrap=True)  # as a table's title it would be wrapped
        table = Table(box=None, pad_edge=True)
        for column in ("", "median", "min..max", "bound", ""):
            table.add_column(column, justify="right" if column else "left", no_wrap=True)
        for figure in row.figures:
            table.add_row(figure.name, figure.median_text, figure.range_text)
        for claim in row.claims:
            style = "green" if claim.holds else "red"
            table.add_row(*_cells(claim), f"[{style}]{claim.verdict}[/]")
        console.print(table)
        console.print()


def write_report(rows: Sequence[Row], failed: Mapping[str, str], *, rounds: int) -> Path:
    """Write ``docs/benchmarks.md`` and its plot anew; returns where.

    Args:
        rows: What was measured.
        failed: What was not, and why.
        rounds: How often each contender was measured.
    """
    _DOCS.mkdir(exist_ok=True)
    (_DOCS / "benchmarks.svg").write_text(draw(rows), encoding="utf-8")
    path = _DOCS / "benchmarks.md"
    path.write_text(_to_markdown(rows, failed, rounds=rounds), encoding="utf-8")
    return path


def _to_markdown(rows: Sequence[Row], failed: Mapping[str, str], *, rounds: int) -> str:
    claims, figures = [], []
    for row in rows:
        titles = iter([row.title])  # said once
        claims += [f"| {next(titles, '')} | {' | '.join(_cells(claim))} | {claim.verdict} |" for claim in row.claims]
        titles = iter([row.title])
        figures += [
            f"| {next(titles, '')} | {figure.name} | {figure.median_text} | {figure.range_text} |"
            for figure in row.figures
        ]
    parts = [
        "# Benchmarks",
        f"Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}: {rounds} rounds in one run on one machine.",
        f"- Machine: {describe_machine()}\n- Versions: {describe_versions()}",
        "![How far each claim is on the right side of its bound](benchmarks.svg)",
        "\n".join(["| work | claim | median | rounds | bound | |", "|---|---|---:|---:|---:|---|", *claims]),
        *(f"Not measured: {name} ({cause})." for name, cause in failed.items()),
        "## Figures",
        "\n".join(["| work | whose | median | rounds |", "|---|---|---:|---:|", *figures]),
        _METHOD.read_text(encoding="utf-8"),
        read_section(),
    ]
    return "\n\n".join(part for part in parts if part)


def _cells(claim: Claim) -> list[str]:
    """The claim, its median, its range and its bound, as text."""
    spread = f"{claim.show(min(claim.values))}..{claim.show(max(claim.values))}"
    return [claim.text, claim.show(claim.median), spread, f"{claim.sense} {claim.show(claim.bound)}"]

"""The report of a load: ``docs/load.md``, which ``docs/benchmarks.md`` has inside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.load.steps import BUSY, KEPT_UP, Outcome, Step, name_saturated

DOCS = Path(__file__).parents[2] / "docs"
FILE = DOCS / "load.md"
TITLE = "## The HTTP door under load"

_METHOD = f"""\
Everything is on this machine: broker, registry, gateway, worker, and Locust, which loads them from one process. A step
is kept up with where {KEPT_UP:.0%} of what is offered is answered and nothing fails. Cores are those that a part used
on average; the gateway, the worker and Locust do their work in one thread each, the broker may use all. A part counts
as saturated from {BUSY:.0%} of what it can use."""


def write_section(outcomes: Sequence[Outcome], machine: str, profile: str = "") -> Path:
    """Write the report anew, also inside of ``docs/benchmarks.md`` where there is one; returns where.

    Args:
        outcomes: What was measured.
        machine: On what, a line.
        profile: Where the gateway's time went; empty if nobody looked.
    """
    DOCS.mkdir(exist_ok=True)
    text = make_section(outcomes, machine, f"{datetime.now(UTC):%Y-%m-%d}", profile)
    FILE.write_text(text, encoding="utf-8")
    report = DOCS / "benchmarks.md"
    if report.is_file():
        report.write_text(replace_section(report.read_text(encoding="utf-8"), text), encoding="utf-8")
    return FILE


def read_section() -> str:
    """The report of the last load; empty if there is none."""
    return FILE.read_text(encoding="utf-8") if FILE.is_file() else ""


def replace_section(report: str, section: str) -> str:
    """A report with another section of the load, which goes to its end where it had none."""
    before, found, after = report.partition(TITLE + "\n")
    if not found:
        return report.rstrip("\n") + "\n\n" + section
    _, heading, rest = after.partition("\n## ")
    return before + section + (heading + rest if heading else "")


def make_section(outcomes: Sequence[Outcome], machine: str, day: str, profile: str = "") -> str:
    """The report as Markdown."""
    parts = [TITLE, f"Written by `make load` on {day}: {machine}.", _METHOD]
    for outcome in outcomes:
        parts += [
            f"### {outcome.title}",
            outcome.what,
            "\n".join(_make_table(outcome.steps)),
            name_saturated(outcome.steps),
        ]
    if profile:
        parts += ["### Where the gateway's time goes", f"```text\n{profile.strip()}\n```"]
    return "\n\n".join(parts) + "\n"


def _make_table(steps: Sequence[Step]) -> list[str]:
    places = list(steps[0].usage)
    columns = [
        "load",
        "requests",
        "/s",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "errors",
        *(f"{place}, cores" for place in places),
    ]
    lines = ["| " + " | ".join(columns) + " |", "|---|---|" + "---:|" * (len(columns) - 2)]
    for step in steps:
        used = [f"{step.usage[place].cores:.2f}" for place in places]
        for number, series in enumerate(step.series):
            figures = [f"{series.quantile_ms(part):,}" for part in (0.5, 0.95, 0.99)]
            rate = f"{series.rate_per_s:,.0f}"
            cells = [
                "" if number else step.load,
                *(series.name, rate, *figures, f"{series.failures:,}"),
                *([""] * len(used) if number else used),
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return lines

"""``mabos audit``: proves from the topics that every task has its outcome, in its place and in order."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from mabos.cli.options import EXIT_NO, OutputOption, QueueOption, find_cluster, settings_for
from mabos.cli.output import Output, print_line, print_note, print_record, print_rows, progress_bar
from mabos.cli.spans import read_moment_ms
from mabos.kafka.position import Position
from mabos.streams import Auditor, AuditRange, AuditReport, Finding
from mabos.streams.matching import Progress
from mabos.streams.report import VIOLATIONS

_SHOWN = 10
_COLUMNS = ("finding", "position")


def audit(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    since: Annotated[
        str | None,
        typer.Option(
            "--since", help="Requests stored from then on: a time, or so long ago.", metavar="TIME", show_default="all"
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--until", help="Requests stored before then, as --since.", metavar="TIME", show_default="now"),
    ] = None,
    partition: Annotated[
        list[int] | None, typer.Option("--partition", "-p", min=0, help="This partition only; may be repeated.")
    ] = None,
    grace: Annotated[
        float, typer.Option("--grace", min=0, help="Seconds that a request, or its deadline, may be old and open.")
    ] = 60,
    group: Annotated[
        str | None, typer.Option("--group", "-g", help="The workers' group: what it has not committed is open, too.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="A superseded response is a violation.")] = False,
    show_all: Annotated[
        bool, typer.Option("--all", help=f"Show each position, not only the first {_SHOWN} of each finding.")
    ] = False,
    queue: QueueOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Prove that every task has one outcome, in its partition, and that each agent's tasks ran in order.

    It reads requests and responses up to where they end now, joins no consumer group, and changes nothing. Exit code 1
    if anything is violated. It takes about 120 bytes a task in a temporary file (TMPDIR says where), and no more
    memory for many tasks than for few. With -o ndjson each finding is printed as it is made, the counts last.
    """
    asked = AuditRange(
        since_ms=read_moment_ms("--since", since),
        until_ms=read_moment_ms("--until", until),
        partitions=frozenset(partition) if partition else None,
        grace_s=grace,
        group=group,
    )
    settings = settings_for(queue)
    find_cluster(settings)
    kinds = (*VIOLATIONS, Finding.SUPERSEDED) if strict else VIOLATIONS

    def print_found(kind: Finding, position: Position) -> None:
        if kind in kinds:
            print_rows([{"finding": kind.value, "position": str(position)}], _COLUMNS, output)

    is_stream = output is Output.NDJSON
    keep = 0 if is_stream else None if show_all else _SHOWN
    with _shown_progress() as on_progress:
        report = Auditor(
            settings,
            asked=asked,
            keep=keep,
            on_found=print_found if is_stream else None,
            on_progress=on_progress,
        ).run()
    _print_report(report, kinds, output)
    raise typer.Exit(EXIT_NO if _count(report, kinds) else 0)


def _print_report(report: AuditReport, kinds: tuple[Finding, ...], output: Output) -> None:
    rows = [{"finding": kind.value, "position": str(place)} for kind in kinds for place in report.places.get(kind, ())]
    counts: dict[str, Any] = {
        "requests": report.requests,
        "duplicates": report.duplicates,
        "outcomes": {status.value: count for status, count in sorted(report.outcomes.items())},
        "open": report.open,
        "not_judged": report.unjudged,
        **{kind.value: report.found.get(kind, 0) for kind in Finding},
    }
    if output is not Output.TABLE:
        topics = {
            topic: {
                "records": read.records,
                "unreadable": read.unreadable,
                "expired": read.expired,
                "aborted": read.aborted,
                "marks": read.marks,
                "compacted": read.compacted,
            }
            for topic, read in report.topics.items()
        }
        places = {} if output is Output.NDJSON else {"findings": rows}
        print_record(counts | {"topics": topics, "holds": not _count(report, kinds)} | places, output)
        return
    counts["outcomes"] = ", ".join(f"{count} {name}" for name, count in counts["outcomes"].items())
    print_record(counts, output)
    if rows:
        print_line("")
        print_rows(rows, _COLUMNS, output)
    _print_notes(report, kinds, len(rows))


def _print_notes(report: AuditReport, kinds: tuple[Finding, ...], shown: int) -> None:
    """What a person should know besides: on standard error."""
    for topic, read in report.topics.items():
        if read.expired:
            print_note(f"{topic}: the oldest {read.expired} records have expired, and were not read")
        if read.unreadable:
            print_note(f"{topic}: {read.unreadable} records hold no event; such requests belong into the dead letters")
        if read.aborted or read.marks:
            print_note(f"{topic}: {read.aborted} records were aborted, {read.marks} offsets are ends of transactions")
        if read.compacted:
            print_note(f"{topic}: {read.compacted} offsets were compacted, or are ends of transactions")
    if report.unjudged:
        print_note("not judged: the other half may have expired, or may stand outside of what was read")
    violations = _count(report, kinds)
    if violations > shown:
        print_note(f"{shown} of {violations} violations are shown: --all shows each")
    if violations:
        print_note(f"VIOLATED: {violations} records break what is promised")
    elif report.requests:
        print_note("holds: every task that can be judged has one outcome, in its place and in order")
    else:
        print_note("there are no requests in this range")


def _count(report: AuditReport, kinds: tuple[Finding, ...]) -> int:
    return sum(report.found.get(kind, 0) for kind in kinds)


@contextmanager
def _shown_progress() -> Iterator[Progress]:
    """A bar for each step, with its rate."""
    with progress_bar() as bar:
        steps: dict[str, tuple[Any, float]] = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in steps:
                steps[step] = bar.add_task(step, total=total, note=""), time.monotonic()
            task, began_s = steps[step]
            took_s = time.monotonic() - began_s
            bar.update(task, completed=done, total=total, note=f"{done / took_s:,.0f}/s" if took_s > 0.1 else "")

        yield show

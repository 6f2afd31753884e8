"""What ``mabos replay`` prints."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mabos.cli.output import Output, print_line, print_note, print_record, print_rows, print_warning
from mabos.consumers.inspection import Inspected
from mabos.consumers.past import PastTask
from mabos.consumers.reprocessing import Reprocessed
from mabos.consumers.verification import Verified
from mabos.schemas.fields import show_ms


def row_of(task: PastTask, output: Output) -> dict[str, Any]:
    """A task of the past as a row of a table, or in its JSON shape."""
    if output is not Output.TABLE:
        return task.to_json()
    return {
        "appended_at": show_ms(task.appended_at_ms),
        "task_id": task.request.task_id,
        "agent_id": task.request.agent_id,
        "action": task.action,
        "status": _name(task.status),
        "position": str(task.position),
    }


def _name(status: str | None) -> str:
    return "unanswered" if status is None else str(status)


def print_remarks(remarks: Iterable[str]) -> None:
    """Say what was asked for and is not in the log."""
    for remark in remarks:
        print_warning(remark)


def print_reprocessed(done: Reprocessed, output: Output, *, would: str = "") -> None:
    """Print what was published, or would be."""
    if output is not Output.TABLE:
        actions = [{"action": action, "tasks": number} for action, number in done.tasks.items()]
        row = {"replay": None if would else done.replay_id, "tasks": done.total, "actions": actions}
        row |= {"published_before": done.published_before, "replays_passed_over": done.replays}
        print_record(row | {"remarks": list(done.remarks), "is_whole": done.is_whole}, output)
        return
    rows = [{"action": action, "tasks": number} for action, number in sorted(done.tasks.items(), key=str)]
    if rows:
        print_rows(rows, ("action", "tasks"), output)
    print_line(f"{done.total} tasks {would or 'were '}published")
    if done.published_before:
        print_note(f"{done.published_before} were published before")
    if done.replays:
        print_note(f"{done.replays} were passed over, for another replay published them: --replays takes them, too")


def print_verified(found: Verified, output: Output) -> None:
    """Print agreement per action, and the first differences."""
    rows: list[dict[str, Any]] = [
        {
            "action": action,
            "compared": agreement.compared,
            "agreed": agreement.agreed,
            "differed": agreement.differed,
            "not_verifiable": dict(agreement.skipped),
        }
        for action, agreement in sorted(found.actions.items(), key=lambda item: str(item[0]))
    ]
    if output is not Output.TABLE:
        mismatches = [
            {
                "task_id": one.task_id,
                "agent_id": one.agent_id,
                "action": one.action,
                "position": str(one.position),
                "differences": [difference._asdict() for difference in one.differences],
            }
            for one in found.mismatches
        ]
        totals = {"compared": found.compared, "differed": found.differed, "is_whole": found.is_whole}
        print_record(totals | {"actions": rows, "mismatches": mismatches, "remarks": list(found.remarks)}, output)
        return
    for row in rows:
        row["agreement"] = f"{100 * row['agreed'] / row['compared']:.4g} %" if row["compared"] else None
        row["not_verifiable"] = ", ".join(f"{count} {reason}" for reason, count in row["not_verifiable"].items())
    print_rows(rows, ("action", "compared", "agreed", "differed", "agreement", "not_verifiable"), output)
    for one in found.mismatches:
        print_line("")
        print_line(f"{one.task_id} of {one.agent_id}, action {one.action}, at {one.position}")
        for difference in one.differences:
            print_line(f"  {difference.path}")
            print_line(f"    - {difference.recorded}")
            print_line(f"    + {difference.today}")
    more = found.differed - len(found.mismatches)
    if more and found.mismatches:
        print_line("")
        print_note(f"{more} more tasks differ: --show shows more")


def print_counts(found: Inspected, output: Output) -> None:
    """Print how many tasks of each kind came out how."""
    rows = [
        {"action": action, "status": _name(status), "tasks": number}
        for (action, status), number in sorted(found.tasks.items(), key=lambda item: (str(item[0][0]), -item[1]))
    ]
    print_rows(rows, ("action", "status", "tasks"), output)
    if output is Output.TABLE:
        print_note(f"{found.total} tasks in {found.records} records")

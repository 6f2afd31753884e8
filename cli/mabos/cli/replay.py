"""``mabos replay``: look at the tasks of the past, publish them again, or run today's handlers over them."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from itertools import islice
from typing import Annotated, Any, TypeVar

import typer

from mabos.cli.options import (
    EXIT_INTERRUPTED,
    EXIT_NO,
    OutputOption,
    QueueOption,
    YesOption,
    find_cluster,
    settings_for,
)
from mabos.cli.output import (
    Output,
    print_note,
    print_rows,
    print_step,
    print_warning,
    progress_bar,
)
from mabos.cli.replay_texts import print_counts, print_remarks, print_reprocessed, print_verified, row_of
from mabos.cli.selecting import (
    ActionOption,
    AgentOption,
    FromOption,
    SinceOption,
    StatusOption,
    TaskOption,
    ToOption,
    UntilOption,
    select,
)
from mabos.cli.signals import stopped_by_signals
from mabos.cli.worker import load_agents
from mabos.consumers.history import MAX_CHUNK_TASKS, History, find_reach
from mabos.consumers.inspection import Inspection
from mabos.consumers.plans import Deadlines, Plans, ReplayPlan
from mabos.consumers.replays import Progress, Replay
from mabos.consumers.reprocessing import Reprocessing
from mabos.consumers.selection import Selection
from mabos.consumers.verification import Verification, VerifyLimits
from mabos.kafka.clients import open_registry
from mabos.kafka.settings import Settings
from mabos.schemas.errors import MabosError

R = TypeVar("R")

app = typer.Typer(
    no_args_is_help=True,
    help="Look at the tasks of the past, publish them again, or run today's handlers over them.",
    epilog="Example: mabos replay inspect --agent support-01 --since 1h",
)

_UNASKED = 1000  # so many tasks are published without asking
_TABLE_ROWS = 100
_LOOK_EVERY_S = 0.2
_COLUMNS = ("appended_at", "task_id", "agent_id", "action", "status", "position")


@app.command("inspect", epilog="Example: mabos replay inspect --status failed --since 2h -o ndjson")
def inspect(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    agent: AgentOption = None,
    task_id: TaskOption = None,
    action: ActionOption = None,
    status: StatusOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    begin: FromOption = None,
    end: ToOption = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many tasks.", show_default=f"{_TABLE_ROWS} in a table")
    ] = None,
    count: Annotated[bool, typer.Option("--count", help="Only count them, by action and status.")] = False,
    queue: QueueOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show requests as they stand in the log, each with its outcome beside it.

    They come partition by partition, in the order of their offsets. No group's offsets are touched.
    """
    settings = settings_for(queue)
    selection = select(settings.queue, agent, task_id, action, status, since, until, begin, end)
    find_cluster(settings)
    if count:
        _count(settings, selection, output)
        return
    reach = find_reach(settings, selection)
    if limit is None and output is Output.TABLE:
        limit = _TABLE_ROWS
    chunk = MAX_CHUNK_TASKS if limit is None or selection.statuses else limit
    history = History(settings, open_registry(settings), selection, reach, chunk_tasks=chunk)
    shown = itertools.count()
    kept: list[dict[str, Any]] = []
    with _bar("reading", lambda: Progress(done=history.done, total=reach.records, unit="records")):
        rows = (row_of(task, output) for task, _ in zip(islice(history, limit), shown, strict=False))
        if output is Output.NDJSON:
            print_rows(rows, _COLUMNS, output)
        else:
            kept += rows  # the bar is gone before the first line is printed
    if output is not Output.NDJSON:
        print_rows(kept, _COLUMNS, output)
    if next(shown) == limit:
        print_note(f"these are the first {limit}: there may be more, --limit shows them, --count counts them")
    print_remarks([*reach.remarks, *history.remarks])


@app.command("reprocess", epilog="Example: mabos replay reprocess --status failed --since 1d --rate 50 --dry-run")
def reprocess(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    agent: AgentOption = None,
    task_id: TaskOption = None,
    action: ActionOption = None,
    status: StatusOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    begin: FromOption = None,
    end: ToOption = None,
    rate: Annotated[float, typer.Option(min=0, help="Tasks a second; 0 for as fast as can be.")] = 200.0,
    deadlines: Annotated[
        Deadlines,
        typer.Option(help="Old deadlines: drop them, keep them, or shift them by the time that went by since."),
    ] = "drop",
    replays: Annotated[bool, typer.Option("--replays", help="Take tasks that another replay published, too.")] = False,
    resume: Annotated[str | None, typer.Option("--resume", metavar="REPLAY", help="Go on with this replay.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be published.")] = False,
    yes: YesOption = False,
    queue: QueueOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Publish old requests as new tasks, each named anew, with a header mabos-replay-of that names the old one.

    They go through the live topic, so each agent's order holds. It counts first, and asks before more than 1,000.
    """
    settings = settings_for(queue)
    picks = (agent, task_id, action, status, since, until, begin, end)
    if resume is not None and (any(picks) or replays):
        raise typer.BadParameter("the replay has its own options, and takes no others", param_hint="--resume")
    plans = Plans(settings.home / "replays")
    plan = None if resume is None else plans.load(resume)
    find_cluster(settings)
    if plan is None:
        selection = select(settings.queue, *picks)
        plan = ReplayPlan(
            queue=settings.queue,
            selection=selection,
            reach=find_reach(settings, selection),
            deadlines=deadlines,
            takes_replays=replays,
        )
    registry = open_registry(settings)
    found = _run(Reprocessing(settings, registry, plan, is_dry=True), "counting")
    if not found.is_whole:
        raise typer.Exit(EXIT_INTERRUPTED)
    if dry_run or not found.total:
        print_remarks(found.remarks)
        print_reprocessed(found, output, would="would be ")
        return
    how_fast = f"{rate:g} a second, {show_time(found.total / rate)} in all" if rate else "as fast as can be"
    if found.total > _UNASKED and not yes:
        print_remarks(found.remarks)
        typer.confirm(f"publish {found.total} tasks again, {how_fast}?", abort=True, err=True)
    plans.save(plan)
    with plans.claim(plan.replay_id):
        print_step(f"replay {plan.replay_id}: {found.total} tasks, {how_fast}")
        job = Reprocessing(settings, registry, plan, rate=rate or None, expected=found.total)
        _publish(job, plan, output)


@app.command("verify", epilog="Example: mabos replay verify examples.agents:agents --since 1d --ignore took_ms")
def verify(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    agents: Annotated[str, typer.Argument(help="Where the AgentGroup is, as module:name.", metavar="MODULE:AGENTS")],
    agent: AgentOption = None,
    task_id: TaskOption = None,
    action: ActionOption = None,
    status: StatusOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    begin: FromOption = None,
    end: ToOption = None,
    ignore: Annotated[
        str, typer.Option(metavar="FIELD,...", help="Fields that may differ: names, or paths such as result.took_ms.")
    ] = "",
    allow: Annotated[int, typer.Option(min=0, help="How many tasks may differ.")] = 0,
    show: Annotated[int, typer.Option(min=0, help="How many of the tasks that differ are shown.")] = 10,
    limit: Annotated[int | None, typer.Option(min=1, help="Compare at most so many tasks.")] = None,
    queue: QueueOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run today's handlers over recorded requests, and compare with the recorded outcomes. Nothing is published.

    Exit code 1 if more tasks differ than are allowed, or if there was nothing to compare.
    """
    group = load_agents(agents)
    settings = settings_for(queue)
    selection = select(settings.queue, agent, task_id, action, status, since, until, begin, end)
    find_cluster(settings)
    limits = VerifyLimits(
        ignored=frozenset(filter(None, (name.strip() for name in ignore.split(",")))),
        max_tasks=limit,
        max_mismatches=show,
    )
    reach = find_reach(settings, selection)
    job = Verification(group, settings, open_registry(settings), selection, reach, limits)
    with redirect_stdout(sys.stderr):  # what handlers print is no result
        found = _run(job, "verifying")
    print_remarks(found.remarks)
    print_verified(found, output)
    if not found.is_whole:
        print_note("stopped: this is what was compared until then")
        raise typer.Exit(EXIT_INTERRUPTED)
    if not found.compared:
        print_warning("nothing was compared: no task there has an outcome that its handler made")
    raise typer.Exit(EXIT_NO if found.differed > allow or not found.compared else 0)


def _run(job: Replay[R], what: str) -> R:
    """Run a replay with a bar; the first Ctrl-C stops it in order, the second at once."""

    def stop() -> None:
        if job.is_stopping:
            raise KeyboardInterrupt
        job.stop()

    job.start()
    with stopped_by_signals(stop), _bar(what, lambda: job.progress):
        while job.is_running:
            with suppress(TimeoutError):
                job.result(_LOOK_EVERY_S)
    return job.result()


@contextmanager
def _bar(what: str, look: Callable[[], Progress]) -> Iterator[None]:
    """Show how far something is while the block runs, however seldom it gives a result."""
    over, began_s = threading.Event(), time.monotonic()
    with progress_bar() as bar:
        shown = bar.add_task(what, total=None, note="")

        def watch() -> None:
            while not over.wait(_LOOK_EVERY_S):
                now = look()
                rate = now.done / (time.monotonic() - began_s)
                bar.update(shown, completed=now.done, total=now.total, note=f"{rate:,.0f} {now.unit}/s")

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()


def _publish(job: Reprocessing, plan: ReplayPlan, output: Output) -> None:
    go_on = f"`mabos replay reprocess --resume {plan.replay_id}` goes on"
    try:
        done = _run(job, "publishing")
    except MabosError:
        print_note(f"{job.progress.done} tasks were published: {go_on}")
        raise
    print_remarks(done.remarks)
    print_reprocessed(done, output)
    if not done.is_whole:
        print_note(f"stopped: {go_on}")
        raise typer.Exit(EXIT_INTERRUPTED)


def _count(settings: Settings, selection: Selection, output: Output) -> None:
    reach = find_reach(settings, selection)
    found = _run(Inspection(settings, open_registry(settings), selection, reach), "counting")
    print_remarks(found.remarks)
    if not found.is_whole:
        raise typer.Exit(EXIT_INTERRUPTED)
    print_counts(found, output)


def show_time(seconds: float) -> str:
    """How long something takes, for people."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

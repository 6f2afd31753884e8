"""``mabos tasks``: find tasks, look at one, watch them, and say what shall become of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import typer

from mabos.cli.options import EXIT_NO, OutputOption, QueueOption, find_cluster, settings_for
from mabos.cli.output import Output, print_line, print_note, print_record
from mabos.cli.view import require_extra
from mabos.kafka.topics import Queue
from mabos.producers.producer import TaskProducer

app = typer.Typer(
    no_args_is_help=True,
    help="Find tasks, look at one, watch them, cancel them.",
    epilog="Example: mabos tasks list --agent support-01 --state failed --since 1h",
)

AgentOption = Annotated[str | None, typer.Option("--agent", "-a", help="Of this agent; * stands for any text.")]
ActionOption = Annotated[str | None, typer.Option("--action", help="Of this action.")]
StateOption = Annotated[
    list[str] | None,
    typer.Option("--state", "-s", help="In this state: queued, in_progress, completed, failed, ...; may be repeated."),
]
SinceOption = Annotated[str | None, typer.Option("--since", help="Requested since then: so long ago, or a time.")]
UntilOption = Annotated[str | None, typer.Option("--until", help="Requested before: so long ago, or a time.")]
TextOption = Annotated[str | None, typer.Option("--text", help="With this text in payload, result or error.")]
TaskArgument = Annotated[str, typer.Argument(help="The task.", metavar="TASK_ID")]
OfAgentOption = Annotated[str | None, typer.Option("--agent", "-a", help="The task's agent, if several have that id.")]


@app.callback()
def tasks() -> None:
    """Find tasks, look at one, watch them, cancel them."""


@app.command("list", epilog="Example: mabos tasks list --agent 'support-*' --state failed --since 1h --text refund")
def list_(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    agent: AgentOption = None,
    action: ActionOption = None,
    state: StateOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    text: TextOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="The most tasks.")] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on where the last list said.")] = None,
    queue: QueueOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List tasks, newest first. Where there are more, the way to go on is said on standard error."""
    require_extra()
    from mabos.cli.found_tasks import make_filter, print_tasks, say_more  # noqa: PLC0415 - it needs the extra
    from mabos.streams.inquiries import list_tasks  # noqa: PLC0415
    from mabos.streams.view import TaskView  # noqa: PLC0415

    settings = settings_for(queue)
    wanted = make_filter(agent, action, state, since, until)
    if text is not None:
        wanted = replace(wanted, text=text)
    with TaskView(settings) as view:
        page = view.ask(list_tasks(wanted, cursor=cursor, limit=limit))
    print_tasks(page.tasks, settings, output)
    if not page.tasks and page.cursor is None:
        print_note("no task fits")
    say_more(page)


@app.command("show", epilog="Example: mabos tasks show report-7 --agent support-01")
def show(
    task_id: TaskArgument,
    agent: OfAgentOption = None,
    queue: QueueOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what happened to a task, with its payload, its result, and the tasks that came of it."""
    require_extra()
    from mabos.cli.found_tasks import find_one, find_related, to_record  # noqa: PLC0415 - it needs the extra
    from mabos.cli.timeline import show_task  # noqa: PLC0415
    from mabos.streams.view import TaskView  # noqa: PLC0415

    settings = settings_for(queue)
    with TaskView(settings) as view:
        task = find_one(view, settings, task_id, agent)
        related = list(find_related(view, task))
    if output is not Output.TABLE:
        print_record(to_record(task, related, Queue(name=settings.queue)), output)
        return
    for line in show_task(task, Queue(name=settings.queue), related, datetime.now(UTC)):
        print_line(line)


@app.command("watch", epilog="Example: mabos tasks watch report-7; mabos tasks watch --agent support-01 -o ndjson")
def watch(
    task_id: Annotated[
        str | None, typer.Argument(help="The task; without it, all that fit.", metavar="TASK_ID")
    ] = None,
    agent: AgentOption = None,
    action: ActionOption = None,
    state: StateOption = None,
    timeout_s: Annotated[
        float | None, typer.Option("--timeout", min=0, help="Seconds until it gives up; for ever if not given.")
    ] = None,
    queue: QueueOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Follow a task to its end, or without a TASK_ID all tasks that fit, until Ctrl-C.

    Exit code 0 if the task is completed, 1 for any other outcome, 3 if there is none in time.
    """
    require_extra()
    from mabos.cli.found_tasks import find_one, make_filter  # noqa: PLC0415 - it needs the extra
    from mabos.cli.watching import follow_list, follow_task  # noqa: PLC0415
    from mabos.streams.view import TaskView  # noqa: PLC0415

    if task_id is None and output is Output.JSON:
        raise typer.BadParameter("a JSON array has an end: say ndjson", param_hint="--output")
    if task_id is not None and (action is not None or state):
        raise typer.BadParameter("a single task is followed whatever it is", param_hint="--action / --state")
    settings = settings_for(queue)
    with TaskView(settings) as view:
        if task_id is None:
            wanted = make_filter(agent, action, state, None, None)
            follow_list(view, settings, wanted, timeout_s, output)
            return
        task = find_one(view, settings, task_id, agent)
        done = follow_task(view, settings, task, timeout_s, output)
    raise typer.Exit(0 if done.state == "completed" else EXIT_NO)


@app.command("cancel", epilog='Example: mabos tasks cancel report-7 --agent support-01 --reason "asked twice"')
def cancel(
    task_id: TaskArgument,
    agent: Annotated[str, typer.Option("--agent", "-a", help="The task's agent.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, a line for people.")] = "",
    queue: QueueOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Cancel a task: it is answered cancelled, if it is not answered yet.

    A task that waits does not run. One that runs is cut off if its handler is async, and told so if it is not.
    """
    settings = settings_for(queue)
    find_cluster(settings)  # a producer would keep trying to reach it for publish_timeout_s
    with TaskProducer(settings) as producer:
        position = producer.cancel_task(agent_id=agent, task_id=task_id, reason=reason).result()
    if output is Output.TABLE:
        print_line(
            f"the cancel of task {task_id} of agent {agent} is stored at {position}; "
            "if the task is answered already, its answer stays"
        )
    else:
        row = {"task_id": task_id, "agent_id": agent, "reason": reason, "position": str(position)}
        print_record(row, output)

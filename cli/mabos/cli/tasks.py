"""``mabos tasks``: what shall become of tasks that were asked."""

from __future__ import annotations

from typing import Annotated

import typer

from mabos.cli.options import OutputOption, QueueOption, find_cluster, settings_for
from mabos.cli.output import Output, print_line, print_record
from mabos.producers.producer import TaskProducer

app = typer.Typer(
    no_args_is_help=True,
    help="Say what shall become of a task.",
    epilog="Example: mabos tasks cancel report-7 --agent support-01",
)


@app.callback()
def tasks() -> None:
    """Say what shall become of a task."""  # makes it a group also while it has a single command


@app.command("cancel", epilog='Example: mabos tasks cancel report-7 --agent support-01 --reason "asked twice"')
def cancel(
    task_id: Annotated[str, typer.Argument(help="The task.", metavar="TASK_ID")],
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

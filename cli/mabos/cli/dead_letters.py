"""``mabos dead-letters``: what no handler could handle: find it, look at it, and have it done again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mabos.cli.options import EXIT_NO, OutputOption, QueueOption, YesOption, find_cluster, settings_for
from mabos.cli.output import Output, print_line, print_note, print_record, print_rows, progress_bar
from mabos.cli.view import require_extra
from mabos.kafka.topics import Queue
from mabos.schemas.errors import MabosError

if TYPE_CHECKING:
    from mabos.gateway.redriveruns import Redrives
    from mabos.streams.redrive_plans import RedrivePlan

app = typer.Typer(
    no_args_is_help=True,
    help="Find what no handler could handle, look at it, have it done again.",
    epilog="Example: mabos dead-letters list --groups; mabos dead-letters redrive --cause 9f86d081884c7d65",
)

AgentOption = Annotated[str | None, typer.Option("--agent", "-a", help="Of this agent; * stands for any text.")]
ActionOption = Annotated[str | None, typer.Option("--action", help="Of this action.")]
CodeOption = Annotated[str | None, typer.Option("--code", help="With this code, such as handler_failed.")]
CauseOption = Annotated[str | None, typer.Option("--cause", help="Of this cause, as --groups names it.")]
SinceOption = Annotated[str | None, typer.Option("--since", help="Dead since then: so long ago, or a time.")]
UntilOption = Annotated[str | None, typer.Option("--until", help="Dead before: so long ago, or a time.")]


@app.callback()
def dead_letters() -> None:
    """Find what no handler could handle, look at it, have it done again."""


@app.command("list", epilog="Example: mabos dead-letters list --agent 'billing-*' --since 1h --waiting")
def list_(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    agent: AgentOption = None,
    action: ActionOption = None,
    code: CodeOption = None,
    cause: CauseOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    redriven: Annotated[
        bool | None, typer.Option("--redriven/--waiting", help="Those that were redriven, or that were not.")
    ] = None,
    groups: Annotated[bool, typer.Option("--groups", help="Their causes instead, the most frequent first.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="The most letters.")] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on where the last list said.")] = None,
    queue: QueueOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List dead letters, newest first, or their causes."""
    require_extra()
    from mabos.cli.found_letters import make_filter, print_groups, print_letters  # noqa: PLC0415 - it needs the extra
    from mabos.streams.letter_inquiries import group_letters, list_letters  # noqa: PLC0415
    from mabos.streams.view import TaskView  # noqa: PLC0415

    if groups and cursor is not None:
        raise typer.BadParameter("groups have no pages", param_hint="--cursor")
    settings = settings_for(queue)
    topic = Queue(name=settings.queue).dead_letters
    wanted = make_filter(agent, action, code, cause, since, until, redriven=redriven)
    with TaskView(settings) as view:
        if groups:
            print_groups(view.ask(group_letters(wanted, topic)), output)
            return
        page = view.ask(list_letters(wanted, topic, cursor=cursor, limit=limit))
    print_letters(page.letters, topic, output)
    if page.cursor is not None:
        print_note(f"there are more: --cursor {page.cursor}")


@app.command("show", epilog="Example: mabos dead-letters show mabos.tasks.dead-letters:7:3")
def show(
    position: Annotated[str, typer.Argument(help="topic:partition:offset of the letter.", metavar="POSITION")],
    queue: QueueOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show a dead letter: why, where it was raised, and the record itself."""
    require_extra()
    from mabos.cli.found_letters import read_place, show_letter  # noqa: PLC0415 - it needs the extra
    from mabos.streams.letter_contents import LetterReader  # noqa: PLC0415
    from mabos.streams.letter_inquiries import find_letters  # noqa: PLC0415
    from mabos.streams.view import TaskView  # noqa: PLC0415

    settings = settings_for(queue)
    topic = Queue(name=settings.queue).dead_letters
    place = read_place(position, topic)
    with TaskView(settings) as view:
        found = view.ask(find_letters([(place.partition, place.offset)], topic))
    if not found:
        raise MabosError(f"the view has no dead letter at {place}: see `mabos dead-letters list`")
    whole = found[0].to_json(topic) | LetterReader(settings).read(place)
    if output is not Output.TABLE:
        print_record(whole, output)
        return
    for line in show_letter(whole):
        print_line(line)


@app.command("redrive", epilog="Example: mabos dead-letters redrive --cause 9f86d081884c7d65 --agent 'billing-*'")
def redrive(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    positions: Annotated[
        list[str] | None, typer.Argument(help="These letters; without any, all that fit.", metavar="POSITION")
    ] = None,
    agent: AgentOption = None,
    action: ActionOption = None,
    code: CodeOption = None,
    cause: CauseOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    payload: Annotated[
        str | None, typer.Option("--payload", help="Ask this JSON object instead; of a single letter.")
    ] = None,
    plan_id: Annotated[
        str | None, typer.Option("--plan", help="Apply this plan: one that was cut off goes on.", metavar="PLAN")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be published.")] = False,
    yes: YesOption = False,
    queue: QueueOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Publish the tasks of dead letters again, as new tasks that name the old ones. It shows which, and asks first.

    They go through the live topic, so each agent's order holds. Letters that were redriven already are left out.

    Of several letters of one task one is taken. Exit code 1 if there was nothing to publish.
    """
    require_extra()
    from mabos.cli.found_letters import make_wanted, print_plan, print_refused  # noqa: PLC0415 - it needs the extra
    from mabos.gateway.principals import LOCAL  # noqa: PLC0415
    from mabos.gateway.redriveruns import Redrives  # noqa: PLC0415

    settings = settings_for(queue)
    picks = (agent, action, code, cause, since, until)
    if plan_id is not None and (positions or payload is not None or any(picks)):
        raise typer.BadParameter("a plan says which letters it is for", param_hint="--plan")
    topic = Queue(name=settings.queue).dead_letters
    wanted = None if plan_id is not None else make_wanted(positions or [], picks, payload, topic)
    find_cluster(settings)
    redrives = Redrives(settings)
    plan = redrives.find(plan_id or "", LOCAL).plan if wanted is None else redrives.plan(wanted, LOCAL)
    if dry_run or not plan.steps:
        print_plan(plan, output)
        raise typer.Exit(0 if plan.steps else EXIT_NO)
    if output is Output.TABLE or not yes:
        print_refused(plan)
    if not yes:
        typer.confirm(_question(plan), abort=True, err=True)
    applied = _apply(redrives, plan)
    if output is not Output.TABLE:
        print_record(applied, output)
        return
    print_rows(applied["tasks"], ("letter", "task_id", "position"), output)
    for refusal in applied["refused"]:
        print_note(f"{refusal['letter']}: {refusal['why']}")
    print_note(f"{applied['published']} tasks published")
    if plan.has_more:
        print_note("more letters fit than one plan holds: say it again for the next")


def _question(plan: RedrivePlan) -> str:
    from mabos.cli.spans import show_moment  # noqa: PLC0415

    span = (
        ""
        if plan.oldest_at is None or plan.newest_at is None
        else (f", dead {show_moment(plan.oldest_at)} to {show_moment(plan.newest_at)}")
    )
    agents = "1 agent" if len(plan.agents) == 1 else f"{len(plan.agents)} agents"
    tasks = "1 task" if len(plan.steps) == 1 else f"{len(plan.steps):,} tasks"
    return f"publish {tasks} of {agents}{span}?"


def _apply(redrives: Redrives, plan: RedrivePlan) -> dict[str, Any]:
    """Apply a plan, with a bar."""
    from mabos.gateway.principals import LOCAL  # noqa: PLC0415

    with progress_bar() as bar:
        shown = bar.add_task("publishing", total=len(plan.steps), note="")
        try:
            return redrives.apply(plan.plan_id, LOCAL, lambda done, _: bar.update(shown, completed=done))
        except (MabosError, KeyboardInterrupt):
            print_note(f"cut off: `mabos dead-letters redrive --plan {plan.plan_id}` goes on")
            raise

"""``mabos topics``: do the topics agree with ``topics.toml``, and make them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mabos.cli.options import OutputOption, QueueOption, find_cluster, settings_for
from mabos.cli.output import Output, print_note, print_rows
from mabos.kafka.admin import Cluster
from mabos.kafka.errors import TopicsDiffer
from mabos.kafka.topics import TOPICS_FILE, Change, Queue, TopicSpec, diff_topics, read_topic_specs

app = typer.Typer(
    no_args_is_help=True,
    help="Compare the topics with topics.toml, and make them agree.",
    epilog="Example: mabos topics diff",
)

FileOption = Annotated[Path, typer.Option("--file", help="What is wanted.", show_default="the bundled topics.toml")]
_COLUMNS = ("topic", "change", "key", "found", "wanted")


@app.command("diff", epilog="Example: mabos topics diff --queue tasks -o json")
def show_diff(queue: QueueOption = None, file: FileOption = TOPICS_FILE, output: OutputOption = Output.TABLE) -> None:
    """Show what differs. Exit code 1 if anything does."""
    _, _, changes = _compare(queue, file)
    if changes or output is not Output.TABLE:
        print_rows(map(_row, changes), _COLUMNS, output)
    else:
        print_note("topics are as wanted")
    raise typer.Exit(1 if changes else 0)


@app.command("apply", epilog="Example: mabos topics apply --queue orders")
def apply(queue: QueueOption = None, file: FileOption = TOPICS_FILE, output: OutputOption = Output.TABLE) -> None:
    """Create what is missing and set what differs. Safe to repeat.

    A partition count is never changed: it would move agents to other partitions, and break their order.
    """
    cluster, specs, changes = _compare(queue, file)
    made = cluster.apply_changes(specs, changes)
    if made or output is not Output.TABLE:
        print_rows(map(_row, made), _COLUMNS, output)
    else:
        print_note("topics are as wanted" if not changes else "nothing was changed")
    refused = [str(change) for change in changes if change.is_refused]
    if refused:
        raise TopicsDiffer(f"left as it is, since changing it would move agents or copies: {'; '.join(refused)}")


def _compare(queue: str | None, file: Path) -> tuple[Cluster, list[TopicSpec], list[Change]]:
    settings = settings_for(queue)
    cluster = find_cluster(settings)
    try:
        specs = read_topic_specs(Queue(name=settings.queue), brokers=cluster.count_brokers(), file=file)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(str(error), param_hint="--file") from error
    return cluster, specs, diff_topics(specs, cluster.describe_topics([spec.name for spec in specs]))


def _row(change: Change) -> dict[str, str]:
    return {
        "topic": change.topic,
        "change": change.kind,
        "key": change.key,
        "found": change.found,
        "wanted": change.wanted,
    }

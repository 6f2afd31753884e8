"""``mabos topics``: how the topics are, whether they agree with ``topics.toml``, and make them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mabos.cli.options import OutputOption, QueueOption, find_cluster, settings_for
from mabos.cli.output import Output, print_note, print_rows
from mabos.cli.spans import show_span
from mabos.kafka.admin import Cluster
from mabos.kafka.errors import TopicsDiffer
from mabos.kafka.topic_state import TopicState, look_at_topics
from mabos.kafka.topics import TOPICS_FILE, Change, Queue, TopicSpec, diff_topics, read_topic_specs

app = typer.Typer(
    no_args_is_help=True,
    help="Compare the topics with topics.toml, and make them agree.",
    epilog="Example: mabos topics diff",
)

FileOption = Annotated[Path, typer.Option("--file", help="What is wanted.", show_default="the bundled topics.toml")]
_COLUMNS = ("topic", "change", "key", "found", "wanted")
_STATE_COLUMNS = ("topic", "partitions", "replicas", "copies", "records", "kept", "drift")


@app.command("diff", epilog="Example: mabos topics diff --queue tasks -o json")
def show_diff(queue: QueueOption = None, file: FileOption = TOPICS_FILE, output: OutputOption = Output.TABLE) -> None:
    """Show what differs. Exit code 1 if anything does."""
    _, _, changes = _compare(queue, file)
    if changes or output is not Output.TABLE:
        print_rows(map(_row, changes), _COLUMNS, output)
    else:
        print_note("topics are as wanted")
    raise typer.Exit(1 if changes else 0)


@app.command("list", epilog="Example: mabos topics list")
def show_topics(queue: QueueOption = None, output: OutputOption = Output.TABLE) -> None:
    """Show the topics of a queue: what they hold, whether all copies are there, and how much is not as wanted."""
    settings = settings_for(queue)
    topics = look_at_topics(find_cluster(settings), Queue(name=settings.queue))
    if output is Output.TABLE:
        print_rows(map(_summary, topics), _STATE_COLUMNS, output)
    else:
        print_rows((topic.to_json() for topic in topics), (), output)
    if any(topic.drift for topic in topics):
        print_note("`mabos topics diff` shows what is not as wanted")


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


def _summary(topic: TopicState) -> dict[str, str | int | None]:
    copies = "missing" if not topic.exists else "in sync" if topic.is_in_sync else "behind"
    if topic.leaderless_partitions:
        copies = f"{topic.leaderless_partitions} partitions without a leader"
    return {
        "topic": topic.name,
        "partitions": topic.partitions,
        "replicas": topic.replicas,
        "copies": copies,
        "records": topic.records,
        "kept": "for ever" if topic.retention_ms is None else show_span(topic.retention_ms),
        "drift": len(topic.drift),
    }


def _row(change: Change) -> dict[str, str]:
    return {
        "topic": change.topic,
        "change": change.kind,
        "key": change.key,
        "found": change.found,
        "wanted": change.wanted,
    }

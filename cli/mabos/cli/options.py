"""Options, exit codes and first steps that commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from mabos.cli.output import Output
from mabos.kafka.admin import Cluster
from mabos.kafka.settings import Settings, load_settings

EXIT_NO, EXIT_USAGE, EXIT_AWAY, EXIT_INTERRUPTED = 1, 2, 3, 130
"""An answer that is no; wrong usage or input; something does not answer; Ctrl-C."""

_ANSWER_TIMEOUT_S = 5.0

OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="A table for people, json or ndjson for programs.")
]
QueueOption = Annotated[str | None, typer.Option("--queue", help="The queue, instead of MABOS_QUEUE.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]


def settings_for(queue: str | None) -> Settings:
    """The settings of this process, for one queue.

    Raises:
        InvalidSettings: A setting is refused.
    """
    return load_settings() if queue is None else load_settings(queue=queue)


def find_cluster(settings: Settings) -> Cluster:
    """The cluster of the settings. A person waits: it is asked whether it is there, and gets 5 s to say so.

    Raises:
        BrokerUnavailable: No broker answers.
    """
    cluster = Cluster(settings, timeout_s=_ANSWER_TIMEOUT_S)
    cluster.count_brokers()
    return cluster

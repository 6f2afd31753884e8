"""Options and context that commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from mabos.cli.output import Output
from mabos.kafka.settings import Settings, load_settings

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

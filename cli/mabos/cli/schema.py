"""``mabos schema``: may a schema replace those before it, and register it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mabos.cli.options import OutputOption, QueueOption, settings_for
from mabos.cli.output import Output, console, print_rows
from mabos.kafka.clients import open_registry
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas.codec import REQUEST, RESPONSE
from mabos.schemas.compatibility import find_breaks
from mabos.schemas.errors import IncompatibleSchema, RegistryUnavailable, SchemaError
from mabos.schemas.registry import SchemaRegistry
from mabos.schemas.vetting import parse_schema_text

app = typer.Typer(no_args_is_help=True, help="Check event schemas, and register them.")

FilesArgument = Annotated[
    list[Path] | None, typer.Argument(help="Schema files (.avsc).", show_default="the two bundled ones")
]
_BUNDLED = {REQUEST.name: REQUEST.schema_text, RESPONSE.name: RESPONSE.schema_text}


@app.command("check")
def check(
    files: FilesArgument = None,
    queue: QueueOption = None,
    offline: Annotated[bool, typer.Option("--offline", help="Compare with the bundled schemas only.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Say which field of a schema would break readers or writers of any version before (FULL_TRANSITIVE).

    Compares with the bundled schema and with every version the registry has. Exit code 1 if something breaks.
    """
    settings = settings_for(queue)
    registry = None if offline else open_registry(settings)
    rows = []
    for name, text in _read(files):
        subject, history = _history(name, text, settings, registry)
        problems: list[str | None] = [*find_breaks(parse_schema_text(text), history)]
        rows += [
            {"schema": name, "subject": subject, "result": "breaks" if problem else "compatible", "problem": problem}
            for problem in problems or [None]
        ]
    print_rows(rows, ("schema", "subject", "result", "problem"), output)
    raise typer.Exit(1 if any(row["result"] == "breaks" for row in rows) else 0)


@app.command("register")
def register(files: FilesArgument = None, queue: QueueOption = None, output: OutputOption = Output.TABLE) -> None:
    """Make schemas the newest version of their subjects. Safe to repeat."""
    settings = settings_for(queue)
    registry = open_registry(settings)
    rows = []
    for name, text in _read(files):
        subject = _subject(text, settings)
        rows.append({"schema": name, "subject": subject, "id": registry.register(subject, text)})
    print_rows(rows, ("schema", "subject", "id"), output)


@app.command("list")
def show(queue: QueueOption = None, output: OutputOption = Output.TABLE) -> None:
    """Show the versions that the registry has of the queue's subjects."""
    settings = settings_for(queue)
    registry = open_registry(settings)
    rows = [
        {"subject": subject, "version": version, "fields": ", ".join(field["name"] for field in schema["fields"])}
        for subject in (_subject(text, settings) for text in _BUNDLED.values())
        for version, schema in registry.history(subject)
    ]
    print_rows(rows, ("subject", "version", "fields"), output)


def _read(files: list[Path] | None) -> list[tuple[str, str]]:
    if not files:
        return list(_BUNDLED.items())
    try:
        return [(str(file), file.read_text(encoding="utf-8")) for file in files]
    except (OSError, UnicodeDecodeError) as error:
        raise SchemaError(f"schema file cannot be read: {error}") from error


def _history(
    name: str, text: str, settings: Settings, registry: SchemaRegistry | None
) -> tuple[str, list[tuple[str, dict[str, object]]]]:
    subject = _subject(text, settings)
    history = [("the bundled schema", parse_schema_text(_BUNDLED[parse_schema_text(text)["name"]]))]
    if registry is not None:
        try:
            history += registry.history(subject)
        except RegistryUnavailable as error:
            console.print(f"[yellow]{name}: compared with the bundled schema only: {error}[/]")
    return subject, history


def _subject(text: str, settings: Settings) -> str:
    name = parse_schema_text(text)["name"]
    queue = Queue(name=settings.queue)
    topics = {REQUEST.name: queue.requests, RESPONSE.name: queue.responses}
    if name not in topics:
        raise IncompatibleSchema(name, [f"it must be {' or '.join(topics)}: a renamed record breaks every reader"])
    return f"{topics[name]}-value"

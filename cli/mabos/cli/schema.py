"""``mabos schema``: may a schema replace those before it, and register it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from mabos.cli.options import EXIT_NO, OutputOption, QueueOption, settings_for
from mabos.cli.output import Output, print_rows, print_warning
from mabos.kafka.clients import open_registry
from mabos.kafka.queues import event_types
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas.codec import subject_of
from mabos.schemas.compatibility import find_breaks
from mabos.schemas.errors import IncompatibleSchema, RegistryUnavailable, SchemaError
from mabos.schemas.registry import SchemaRegistry
from mabos.schemas.vetting import parse_schema_text

app = typer.Typer(
    no_args_is_help=True, help="Check event schemas, and register them.", epilog="Example: mabos schema check"
)

FilesArgument = Annotated[
    list[Path] | None, typer.Argument(help="Schema files (.avsc).", show_default="the bundled ones")
]
_BUNDLED = {event_type.name: event_type.schema_text for event_type in event_types(Queue()).values()}
_Row = dict[str, str | int | None]


@app.command("check", epilog="Example: mabos schema check task_request.avsc --offline")
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
    rows = [row for name, text in _read(files) for row in _check(name, text, settings, registry)]
    print_rows(rows, ("schema", "subject", "result", "problem"), output)
    raise typer.Exit(EXIT_NO if any(row["problem"] for row in rows) else 0)


def _check(name: str, text: str, settings: Settings, registry: SchemaRegistry | None) -> list[_Row]:
    row: _Row = {"schema": name, "subject": None, "result": "compatible", "problem": None}
    try:
        schema = parse_schema_text(text)
        row["subject"] = subject = _subject(schema, settings)
        history = [("the bundled schema", parse_schema_text(_BUNDLED[schema["name"]]))]
        history += _registered(name, subject, registry)
    except SchemaError as error:
        return [row | {"result": "refused", "problem": str(error)}]
    return [row | {"result": "breaks", "problem": problem} for problem in find_breaks(schema, history)] or [row]


def _registered(name: str, subject: str, registry: SchemaRegistry | None) -> list[tuple[str, dict[str, Any]]]:
    if registry is None:
        return []
    try:
        return registry.history(subject)
    except RegistryUnavailable as error:
        print_warning(f"{name}: compared with the bundled schema only: {error}")
        return []


@app.command("register", epilog="Example: mabos schema register --queue orders")
def register(files: FilesArgument = None, queue: QueueOption = None, output: OutputOption = Output.TABLE) -> None:
    """Make schemas the newest version of their subjects. Safe to repeat."""
    settings = settings_for(queue)
    registry = open_registry(settings)
    rows = []
    for name, text in _read(files):
        try:
            subject = _subject(parse_schema_text(text), settings)
        except IncompatibleSchema:
            raise
        except SchemaError as error:
            raise SchemaError(f"{name}: {error}") from error
        rows.append({"schema": name, "subject": subject, "id": registry.register(subject, text)})
    print_rows(rows, ("schema", "subject", "id"), output)


@app.command("list", epilog="Example: mabos schema list -o json")
def show(queue: QueueOption = None, output: OutputOption = Output.TABLE) -> None:
    """Show the versions that the registry has of the queue's subjects."""
    settings = settings_for(queue)
    registry = open_registry(settings)
    rows = [
        {"subject": subject, "version": version, "fields": ", ".join(field["name"] for field in schema["fields"])}
        for subject in (_subject(parse_schema_text(text), settings) for text in _BUNDLED.values())
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


def _subject(schema: Mapping[str, Any], settings: Settings) -> str:
    name = schema["name"]
    topics = {event_type.name: topic for topic, event_type in event_types(Queue(name=settings.queue)).items()}
    if name not in topics:
        raise IncompatibleSchema(name, [f"it must be {' or '.join(topics)}: a renamed record breaks every reader"])
    return subject_of(topics[name])

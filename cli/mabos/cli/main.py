"""The ``mabos`` command. Errors are one line on standard error; exit codes mean something.

0 done · 1 an answer that is no · 2 wrong usage or input · 3 something does not answer · 130 Ctrl-C
"""

from __future__ import annotations

import logging
import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer
from confluent_kafka import KafkaException

from mabos.cli import (
    audit,
    dead_letters,
    doctor,
    gateway,
    keys,
    lag,
    platform,
    replay,
    schema,
    send,
    status,
    tasks,
    topics,
    view,
    worker,
)
from mabos.cli.logs import LogFormat, configure_logs
from mabos.cli.options import EXIT_AWAY, EXIT_INTERRUPTED, EXIT_NO, EXIT_USAGE
from mabos.cli.output import make_streams_safe, print_error, print_note
from mabos.consumers.errors import CallTimeout, InvalidHandler, InvalidReplay, InvalidSelection, WorkerFailed
from mabos.kafka.errors import BrokerUnavailable, InvalidSettings, UnknownGroup
from mabos.producers.errors import PublishError
from mabos.schemas.errors import IncompatibleSchema, InvalidTask, MabosError, RegistryUnavailable, SchemaError
from mabos.streams.errors import DatabaseUnavailable, InvalidQuery

_USAGE_ERRORS = (
    InvalidTask,
    InvalidQuery,
    InvalidSettings,
    InvalidHandler,
    InvalidReplay,
    InvalidSelection,
    SchemaError,
    UnknownGroup,
)
_AWAY_ERRORS = (BrokerUnavailable, RegistryUnavailable, DatabaseUnavailable, PublishError, CallTimeout, WorkerFailed)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="The road between services and agents: tasks in, outcomes out, in order per agent.",
    epilog="Example: mabos up && mabos status. Settings are MABOS_* environment variables or mabos.toml; the defaults"
    " are what `mabos up` serves. Exit codes: 0 done, 1 the answer is no, 2 wrong usage or input, 3 something does not"
    " answer, 130 Ctrl-C.",
)
app.command("up", epilog="Example: mabos up")(platform.up)
app.command("down", epilog="Example: mabos down --delete --yes")(platform.down)
app.command("status", epilog="Example: mabos status -o json")(status.status)
app.command("doctor", epilog="Example: mabos doctor -o json")(doctor.doctor)
app.command("send", epilog="Example: mabos send --agent support-01 --action echo. A file: mabos send -f tasks.jsonl")(
    send.send
)
app.command("call", epilog="Example: mabos call --agent support-01 --action echo --timeout 5")(send.call)
app.command("audit", epilog="Example: mabos audit --group mabos --since 2030-01-31T12:00:00Z")(audit.audit)
app.command("lag", epilog="Example: mabos lag mabos --watch")(lag.lag)
app.add_typer(tasks.app, name="tasks")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(replay.app, name="replay")
app.add_typer(worker.app, name="worker")
app.add_typer(view.app, name="view")
app.add_typer(topics.app, name="topics")
app.add_typer(schema.app, name="schema")
app.add_typer(gateway.app, name="gateway")
app.add_typer(keys.app, name="keys")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mabos {version('mabos')}")
        raise typer.Exit


@app.callback()
def root(
    _: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """The road between services and agents."""
    # A short command says what went wrong in one line; log lines are for those that stay, which configure their own.
    configure_logs(LogFormat.TEXT, logging.CRITICAL)


def main() -> None:
    """Run the command of this process's arguments."""
    make_streams_safe()
    try:
        sys.exit(app(prog_name="mabos", standalone_mode=False) or 0)
    except typer.Abort:
        print_note("nothing was done")
        sys.exit(EXIT_NO)
    except typer.TyperException as error:
        if error.format_message():  # empty when the help was printed instead
            print_error(error.format_message())
        sys.exit(error.exit_code)
    except MabosError as error:
        print_error(str(error))
        sys.exit(_exit_code(error))
    except KafkaException as error:
        print_error(f"Kafka: {error.args[0]}")
        sys.exit(EXIT_AWAY)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except OSError as error:
        _give_up_output()
        if not isinstance(error, BrokenPipeError):  # else the reader has enough, and that is no error
            print_error(f"{error.strerror}: {error.filename}" if error.filename else f"output: {error.strerror}")
        sys.exit(EXIT_NO)


def _give_up_output() -> None:
    """Let the interpreter flush into nothing at its end, instead of failing there once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _exit_code(error: MabosError) -> int:
    if isinstance(error, _USAGE_ERRORS) and not isinstance(error, IncompatibleSchema):
        return EXIT_USAGE
    return EXIT_AWAY if isinstance(error, _AWAY_ERRORS) else EXIT_NO


if __name__ == "__main__":
    main()

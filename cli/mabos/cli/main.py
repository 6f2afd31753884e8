"""The ``mabos`` command. Errors are one line on standard error; exit codes mean something.

0 done · 1 an answer that is no · 2 wrong usage or input · 3 something does not answer · 130 Ctrl-C
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer
from rich.markup import escape

from mabos.cli import gateway, platform, schema, send, topics, worker
from mabos.cli.output import console
from mabos.consumers.errors import CallTimeout, InvalidHandler, WorkerFailed
from mabos.kafka.errors import BrokerUnavailable, InvalidSettings
from mabos.producers.errors import PublishError
from mabos.schemas.errors import InvalidTask, MabosError, RegistryUnavailable

EXIT_NO, EXIT_USAGE, EXIT_AWAY, EXIT_INTERRUPTED = 1, 2, 3, 130

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="The road between services and agents: tasks in, outcomes out, in order per agent.",
    epilog="Settings are MABOS_* environment variables or mabos.toml; the defaults are what `mabos up` serves.",
)
app.command("up")(platform.up)
app.command("down")(platform.down)
app.command("status")(platform.status)
app.command("send")(send.send)
app.command("call")(send.call)
app.add_typer(worker.app, name="worker")
app.add_typer(topics.app, name="topics")
app.add_typer(schema.app, name="schema")
app.add_typer(gateway.app, name="gateway")


@app.callback()
def root(
    show_version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    """The road between services and agents."""
    if show_version:
        sys.stdout.write(f"mabos {version('mabos')}\n")
        raise typer.Exit


def main() -> None:
    """Run the command of this process's arguments."""
    try:
        app()
    except MabosError as error:
        console.print(f"[bold red]error:[/] {escape(str(error))}")
        sys.exit(_exit_code(error))
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has enough: nothing more to say to it
        sys.exit(EXIT_NO)


def _exit_code(error: MabosError) -> int:
    if isinstance(error, InvalidTask | InvalidSettings | InvalidHandler):
        return EXIT_USAGE
    if isinstance(error, BrokerUnavailable | RegistryUnavailable | PublishError | CallTimeout | WorkerFailed):
        return EXIT_AWAY
    return EXIT_NO


if __name__ == "__main__":
    main()

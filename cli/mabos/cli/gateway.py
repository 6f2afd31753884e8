"""``mabos gateway``: run the HTTP door."""

from __future__ import annotations

from typing import Annotated

import typer

from mabos.cli.logs import LogFormat, configure_logs
from mabos.cli.options import QueueOption, settings_for
from mabos.schemas.errors import MabosError

app = typer.Typer(no_args_is_help=True, help="Run the HTTP door.", epilog="Example: mabos gateway run --port 8080")


@app.callback()
def gateway() -> None:
    """Run the HTTP door."""


@app.command("run", epilog="Example: mabos gateway run --host 127.0.0.1 --port 8080 --log-format json")
def run(
    host: Annotated[str | None, typer.Option(help="Instead of the host of MABOS_GATEWAY_URL.")] = None,
    port: Annotated[int | None, typer.Option(help="Instead of that of MABOS_GATEWAY_URL.", min=0, max=65535)] = None,
    queue: QueueOption = None,
    log_format: Annotated[LogFormat, typer.Option(help="Log lines for people or for programs.")] = LogFormat.AUTO,
) -> None:
    """Serve HTTP until SIGTERM or Ctrl-C; requests in hand are finished."""
    try:
        from mabos.gateway.server import run_gateway  # noqa: PLC0415 - an extra that only some install
    except ModuleNotFoundError as error:
        raise MabosError(f"the gateway needs {error.name}: pip install 'mabos[gateway]'") from error
    configure_logs(log_format)
    settings = settings_for(queue)
    run_gateway(settings, host, port)

"""``mabos worker``: run agents."""

from __future__ import annotations

import importlib
import signal
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer

from mabos.cli.logs import LogFormat, configure_logs
from mabos.cli.options import QueueOption, settings_for
from mabos.consumers.agents import AgentGroup
from mabos.consumers.errors import InvalidHandler
from mabos.consumers.supervisor import Supervisor
from mabos.consumers.worker import Worker, WorkerLimits

app = typer.Typer(no_args_is_help=True, help="Run agents.")
log = structlog.stdlib.get_logger("mabos.worker")


@app.callback()
def worker() -> None:
    """Run agents."""


@app.command("run")
def run(
    agents: Annotated[str, typer.Argument(help="Where the AgentGroup is, as module:name.", metavar="MODULE:AGENTS")],
    instances: Annotated[int, typer.Option(min=1, max=256, help="Worker processes; they share the partitions.")] = 1,
    concurrency: Annotated[int, typer.Option(min=1, max=10_000, help="Tasks in hand at a time, per process.")] = 64,
    grace_s: Annotated[float, typer.Option(min=0, help="Seconds that tasks in hand get when it stops.")] = 25.0,
    queue: QueueOption = None,
    log_format: Annotated[LogFormat, typer.Option(help="Log lines for people or for programs.")] = LogFormat.AUTO,
) -> None:
    """Run the handlers of an AgentGroup until SIGTERM or Ctrl-C; then finish what is in hand, and leave the group."""
    configure_logs(log_format)
    group = load_agents(agents)
    settings = settings_for(queue)
    if instances > 1:
        arguments = ["worker", "run", agents, f"--concurrency={concurrency}", f"--grace-s={grace_s}"]
        arguments += [f"--log-format={log_format.value}", f"--queue={settings.queue}"]
        supervisor = Supervisor([sys.executable, "-m", "mabos.cli.main", *arguments], instances)
        _on_signals(supervisor.stop)
        raise typer.Exit(supervisor.run())
    one = Worker(group, settings, limits=WorkerLimits(concurrency=concurrency, grace_s=grace_s))
    _on_signals(one.stop)
    log.info("worker starts", group=group.name, actions=group.actions, servers=settings.bootstrap_servers)
    one.run()
    log.info("worker stopped")


def load_agents(where: str) -> AgentGroup:
    """The AgentGroup at ``module:name``; the current folder is on the path, as with ``python -m``.

    Raises:
        InvalidHandler: There is none; says what is wrong.
    """
    module_name, _, name = where.partition(":")
    if not module_name or not name:
        raise InvalidHandler(f'"{where}" is not module:name, such as examples.agents:agents')
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise InvalidHandler(f"module {module_name} cannot be imported from {here}: {error}") from error
    group = getattr(module, name, None)
    if not isinstance(group, AgentGroup):
        found = [key for key, value in vars(module).items() if isinstance(value, AgentGroup)]
        hint = f", did you mean {module_name}:{found[0]}?" if found else ""
        raise InvalidHandler(f"{module_name} has no AgentGroup named {name}{hint}")
    if not group.handlers:
        raise InvalidHandler(f"{where} has no handlers: add one with @{name}.on_task_request(...)")
    return group


def _on_signals(stop: object) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())  # type: ignore[operator]

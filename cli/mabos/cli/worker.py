"""``mabos worker``: run agents."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from typing import Annotated

import structlog
import typer

from mabos.cli.logs import LogFormat, configure_logs
from mabos.cli.options import QueueOption, settings_for
from mabos.cli.signals import call_on_signals
from mabos.consumers.agents import AgentGroup
from mabos.consumers.errors import InvalidHandler
from mabos.consumers.supervisor import Supervisor
from mabos.consumers.limits import WorkerLimits
from mabos.consumers.worker import Worker
from mabos.kafka.python import PythonCommand

app = typer.Typer(no_args_is_help=True, help="Run agents.", epilog="Example: mabos worker run examples.agents:agents")
log = structlog.stdlib.get_logger("mabos.worker")


@app.callback()
def worker() -> None:
    """Run agents."""


@app.command("run", epilog="Example: mabos worker run examples.agents:agents --instances 2 --concurrency 16")
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
        arguments = ["-m", "mabos.cli.main", "worker", "run", f"--concurrency={concurrency}", f"--grace-s={grace_s}"]
        arguments += [f"--log-format={log_format.value}", f"--queue={settings.queue}", agents]
        supervisor = Supervisor(
            PythonCommand(name="worker", arguments=arguments),
            instances,
            stop_timeout_s=3 * grace_s + 15,  # handlers, then publishing, then closing may each take the grace
        )
        call_on_signals(supervisor.stop)
        code = supervisor.run()
        log.info("workers stopped", instances=instances, exit_code=code)
        raise typer.Exit(code)
    one = Worker(group, settings, limits=WorkerLimits(concurrency=concurrency, grace_s=grace_s))
    call_on_signals(one.stop)
    log.info("worker starts", group=group.name, serves=describe_actions(group), servers=settings.bootstrap_servers)
    one.run()
    log.info("worker stopped")


def load_agents(where: str) -> AgentGroup:
    """The AgentGroup at ``module:name``; the current folder is on the path, as with ``python -m``.

    Raises:
        InvalidHandler: There is none; says what is wrong.
    """
    module_name, _, name = where.partition(":")
    if not all(part.isidentifier() for part in module_name.split(".")) or not name.isidentifier():
        raise InvalidHandler(f'"{where}" is not module:name, such as examples.agents:agents')
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except InvalidHandler:
        raise
    except Exception as error:  # the module is the user's: it may raise anything
        raise InvalidHandler(f"module {module_name} cannot be imported from {here}: {_describe(error)}") from error
    group = vars(module).get(name)
    if not isinstance(group, AgentGroup):
        found = [key for key, value in vars(module).items() if isinstance(value, AgentGroup)]
        hint = f", did you mean {module_name}:{found[0]}?" if found else ""
        raise InvalidHandler(f"{module_name} has no AgentGroup named {name}{hint}")
    if not group.handlers:
        raise InvalidHandler(f"{where} has no handlers: add one with @{name}.on_task_request(...)")
    return group


def _describe(error: Exception) -> str:
    """The error, and the line of the user's code that raised it."""
    if isinstance(error, ModuleNotFoundError | SyntaxError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"


def describe_actions(group: AgentGroup) -> str:
    """The actions that a group serves, for people."""
    others = ["all others"] if group.find_handler(None) is not None else []
    return ", ".join([*group.actions, *others])

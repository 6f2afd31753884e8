"""``mabos worker``: run agents."""

from __future__ import annotations

import importlib
import sys
import traceback
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import structlog
import typer

from mabos.cli.logs import LogFormat, configure_logs
from mabos.cli.options import QueueOption, settings_for
from mabos.cli.signals import call_on_signals
from mabos.consumers.agents import AgentGroup
from mabos.consumers.errors import InvalidHandler
from mabos.consumers.garbage import calm_garbage_collector
from mabos.consumers.limits import DeliveryMode, WorkerLimits
from mabos.consumers.supervisor import Supervisor
from mabos.consumers.worker import Worker
from mabos.kafka.ports import LOOPBACK
from mabos.kafka.python import PythonCommand

app = typer.Typer(no_args_is_help=True, help="Run agents.", epilog="Example: mabos worker run examples.agents:agents")
log = structlog.stdlib.get_logger("mabos.worker")

Address = tuple[str, int]


DeliveryOption = Annotated[
    DeliveryMode,
    typer.Option(help="exactly-once: answers and offsets in one transaction. Handlers' outside effects are yours."),
]
MetricsPortOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65_535,
        help="Serve /metrics, /healthz and /readyz there, for all instances; 0 takes a free port. Without it: nowhere.",
    ),
]
MetricsHostOption = Annotated[str, typer.Option(help="The address of the metrics port. It asks nobody who they are.")]
MetricsFileOption = Annotated[
    Path | None, typer.Option(hidden=True, help="As an instance: serve on a free port, and leave it in this file.")
]


@app.callback()
def worker() -> None:
    """Run agents."""


@app.command("run", epilog="Example: mabos worker run examples.agents:agents --instances 2 --metrics-port 9400")
def run(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    agents: Annotated[str, typer.Argument(help="Where the AgentGroup is, as module:name.", metavar="MODULE:AGENTS")],
    instances: Annotated[int, typer.Option(min=1, max=256, help="Worker processes; they share the partitions.")] = 1,
    concurrency: Annotated[int, typer.Option(min=1, max=10_000, help="Tasks in hand at a time, per process.")] = 64,
    grace_s: Annotated[float, typer.Option(min=0, help="Seconds that tasks in hand get when it stops.")] = 25.0,
    delivery: DeliveryOption = "at-least-once",
    metrics_port: MetricsPortOption = None,
    metrics_host: MetricsHostOption = LOOPBACK,
    metrics_file: MetricsFileOption = None,
    queue: QueueOption = None,
    log_format: Annotated[LogFormat, typer.Option(help="Log lines for people or for programs.")] = LogFormat.AUTO,
) -> None:
    """Run the handlers of an AgentGroup until SIGTERM or Ctrl-C; then finish what is in hand, and leave the group."""
    configure_logs(log_format)
    group = load_agents(agents)
    settings = settings_for(queue)
    where = None if metrics_port is None else (metrics_host, metrics_port)
    if instances > 1:
        arguments = ["-m", "mabos.cli.main", "worker", "run", f"--concurrency={concurrency}", f"--grace-s={grace_s}"]
        arguments += [f"--delivery={delivery}", f"--log-format={log_format.value}", f"--queue={settings.queue}"]
        arguments += [agents]
        # handlers, then publishing, then closing may each take the grace
        code = _run_instances(arguments, instances, where, stop_timeout_s=3 * grace_s + 15)
        log.info("workers stopped", instances=instances, exit_code=code)
        raise typer.Exit(code)
    limits = WorkerLimits(concurrency=concurrency, grace_s=grace_s, delivery=delivery)
    one = Worker(group, settings, limits=limits)
    call_on_signals(one.stop)
    calm_garbage_collector()
    with _monitored(one, where, metrics_file):
        log.info("worker starts", group=group.name, serves=describe_actions(group), servers=settings.bootstrap_servers)
        one.run()
    log.info("worker stopped")


def _monitored(worker: Worker, where: Address | None, file: Path | None) -> AbstractContextManager[object]:
    """The worker's endpoint, where it shall have one."""
    if file is not None:
        from mabos.cli.endpoints import monitor_instance  # noqa: PLC0415 - 60 ms: see there

        return monitor_instance(worker, file)
    if where is not None:
        from mabos.cli.endpoints import monitor_worker  # noqa: PLC0415

        return monitor_worker(worker, *where)
    return nullcontext()


def _run_instances(arguments: list[str], instances: int, where: Address | None, *, stop_timeout_s: float) -> int:
    """Run workers under a supervisor, with one endpoint for all; returns their exit code."""
    with ExitStack() as stack:
        files: list[Path] = []
        if where is not None:
            folder = stack.enter_context(TemporaryDirectory(prefix="mabos-worker-"))
            files = [Path(folder, f"instance-{number}") for number in range(instances)]
        told = [[f"--metrics-file={file}"] for file in files] or [[]] * instances
        commands = [PythonCommand(name="worker", arguments=[*arguments, *more]) for more in told]
        supervisor = Supervisor(commands, stop_timeout_s=stop_timeout_s)
        call_on_signals(supervisor.stop)
        if where is not None:
            from mabos.cli.endpoints import monitor_supervisor  # noqa: PLC0415

            stack.enter_context(monitor_supervisor(supervisor, files, *where))
        return supervisor.run()


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

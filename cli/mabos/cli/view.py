"""``mabos view``: keep the view of the tasks, and say how far it is."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import Annotated, Any

import structlog
import typer

from mabos.cli.logs import LogFormat, configure_logs
from mabos.cli.options import EXIT_NO, OutputOption, QueueOption, YesOption, find_cluster, settings_for
from mabos.cli.output import Output, print_line, print_note, print_rows, progress_bar
from mabos.cli.signals import call_on_signals
from mabos.kafka.database_address import show_database
from mabos.kafka.ports import LOOPBACK
from mabos.schemas.errors import MabosError

app = typer.Typer(no_args_is_help=True, help="Keep the view of the tasks.", epilog="Example: mabos view run")
log = structlog.stdlib.get_logger("mabos.view")

MetricsPortOption = Annotated[
    int | None,
    typer.Option(
        min=0, max=65_535, help="Serve /metrics, /healthz and /readyz there; 0 takes a free port. Without it: nowhere."
    ),
]
GraceOption = Annotated[
    float, typer.Option("--deadline-grace", min=0, help="Seconds after its deadline that a task is left to its worker.")
]
MetricsHostOption = Annotated[str, typer.Option(help="The address of the metrics port. It asks nobody who they are.")]


@app.callback()
def view() -> None:
    """Keep the view of the tasks."""


@app.command("run", epilog="Example: mabos view run --metrics-port 9401")
def run(
    metrics_port: MetricsPortOption = None,
    metrics_host: MetricsHostOption = LOOPBACK,
    deadline_grace_s: GraceOption = 10.0,
    queue: QueueOption = None,
    log_format: Annotated[LogFormat, typer.Option(help="Log lines for people or for programs.")] = LogFormat.AUTO,
) -> None:
    """Keep the view until SIGTERM or Ctrl-C. Run it several times, also on several machines: they share the work.

    One of them answers ``timed_out`` for tasks whose deadline passed without an outcome.
    """
    require_extra()
    from mabos.consumers.monitor import Monitor  # noqa: PLC0415 - 60 ms, which other commands shall not pay
    from mabos.streams.deadlines import DeadlineWatcher  # noqa: PLC0415 - an extra that only some install
    from mabos.streams.projector import Projector  # noqa: PLC0415 - an extra that only some install
    from mabos.streams.projector_families import ProjectorFamilies  # noqa: PLC0415

    configure_logs(log_format)
    settings = settings_for(queue)
    projector = Projector(settings)
    call_on_signals(projector.stop)
    monitor = None
    if metrics_port is not None:
        monitor = Monitor(ProjectorFamilies(projector), projector.unready, host=metrics_host, port=metrics_port)
        log.info("metrics are served", url=f"http://{monitor.host}:{monitor.port}/metrics")
    watcher = DeadlineWatcher(settings, grace_s=deadline_grace_s)
    with monitor or nullcontext(), watcher:
        database = show_database(settings.database_url.get_secret_value())
        log.info("projector starts", queue=settings.queue, servers=settings.bootstrap_servers, database=database)
        projector.run()
    log.info("projector stopped")


@app.command("status", epilog="Example: mabos view status -o json")
def status(queue: QueueOption = None, output: OutputOption = Output.TABLE) -> None:
    """Say how far the view is, for each partition. Exit code 1 if it is behind."""
    require_extra()
    from mabos.streams.view_status import read_view_status  # noqa: PLC0415 - an extra that only some install

    settings = settings_for(queue)
    found = read_view_status(settings, find_cluster(settings))
    columns = ("topic", "partition", "next_offset", "end_offset", "lag", "applied_at")
    rows: list[dict[str, Any]] = [
        {
            "topic": place.topic,
            "partition": place.partition,
            "next_offset": progress.next_offset,
            "end_offset": progress.end_offset,
            "lag": progress.lag,
            "applied_at": None if progress.applied_at is None else progress.applied_at.isoformat(timespec="seconds"),
        }
        for place, progress in found.places.items()
    ]
    print_rows(rows, columns, output)
    states = ", ".join(f"{count:,} {state}" for state, count in found.states.items()) or "no tasks"
    shown = show_database(settings.database_url.get_secret_value())
    print_note(f"{states}; {found.poisoned:,} records passed as poison; {found.lag:,} records behind; {shown}")
    raise typer.Exit(EXIT_NO if found.lag else 0)


@app.command("rebuild", epilog="Example: mabos view rebuild --yes")
def rebuild(queue: QueueOption = None, yes: YesOption = False) -> None:
    """Make the view anew from the topics, beside the one in use, and put it in its place when it is as far.

    Readers and projectors go on meanwhile. Ctrl-C leaves the view as it was. What the topics have no more is not in it.
    """
    require_extra()
    from mabos.streams.rebuild import Progress, Rebuild  # noqa: PLC0415 - an extra that only some install

    settings = settings_for(queue)
    find_cluster(settings)
    if not yes:
        typer.confirm("tasks whose records the topics no longer hold will be missing. Go on?", abort=True, err=True)
    call_on_signals(_interrupt)
    began_s = time.monotonic()
    with progress_bar() as bar:
        line = bar.add_task("rebuilding", total=None, note="")

        def show(progress: Progress) -> None:
            rate = progress.done / max(time.monotonic() - began_s, 0.001)
            bar.update(line, total=progress.total, completed=progress.done, note=f"{rate:,.0f} records/s")

        records = Rebuild(settings, on_progress=show).run()
    took_s = time.monotonic() - began_s
    print_line(f"the view was made anew from {records:,} records in {took_s:.1f} s")


def _interrupt() -> None:
    raise KeyboardInterrupt


def require_extra() -> None:
    """Say in one line what is missing where the view's extra is not installed.

    Raises:
        MabosError: It is not.
    """
    try:
        import psycopg  # noqa: F401, PLC0415 - only whether it is there
    except ImportError as error:
        raise MabosError("the view needs psycopg: pip install 'mabos[view]'") from error

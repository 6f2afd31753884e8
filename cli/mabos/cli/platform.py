"""``mabos up``, ``mabos down``, ``mabos status``: the platform on this machine, in the background."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import Annotated, Any

import typer

from mabos.cli.home import PlatformHome
from mabos.cli.local_platform import LocalPlatform, http_status
from mabos.cli.options import OutputOption, YesOption
from mabos.cli.output import Output, console, print_record, print_rows
from mabos.kafka.admin import Cluster
from mabos.kafka.clients import open_registry
from mabos.kafka.errors import BrokerUnavailable, LocalPlatformError
from mabos.kafka.image import prepare_image
from mabos.kafka.local_registry import find_registry
from mabos.kafka.settings import Settings, load_settings
from mabos.kafka.topics import Queue, diff_topics, read_topic_specs
from mabos.schemas.errors import MabosError

_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 60.0
_POLL_S = 0.1
EXIT_AWAY = 3


def up(
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay, and stop it with Ctrl-C.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Start broker, registry, topics, schemas and gateway on this machine; the first time it downloads them."""
    settings = load_settings()
    home = PlatformHome(settings.home)
    if foreground:
        _serve(settings, home)
        return
    if home.is_running():
        console.print("the platform is up already")
    else:
        prepare_image(settings.cache_dir)  # with a progress bar, which the background has no terminal for
        find_registry(settings.cache_dir)
        _start_in_background(home)
    print_record(_addresses(settings), output)


def down(
    delete: Annotated[bool, typer.Option("--delete", help="Also delete its data: topics, schemas, logs.")] = False,
    yes: YesOption = False,
) -> None:
    """Stop the platform. Its data stay, unless they are to be deleted."""
    settings = load_settings()
    home = PlatformHome(settings.home)
    if delete and not yes:
        typer.confirm(f"delete all tasks, schemas and logs in {settings.home}?", abort=True)
    if home.is_running():
        home.end(_STOP_TIMEOUT_S)
        console.print("the platform is down")
    else:
        console.print("the platform is not up")
    if delete:
        shutil.rmtree(settings.home, ignore_errors=True)
        shutil.rmtree(settings.cache_dir / "registry", ignore_errors=True)
        console.print(f"deleted {settings.home}")


def status(output: OutputOption = Output.TABLE) -> None:
    """Say what answers, here or wherever the settings point. Exit code 3 if something does not."""
    settings = load_settings()
    rows = [_look_at_broker(settings), _look_at_registry(settings), _look_at_gateway(settings)]
    print_rows(rows, ("part", "state", "address", "detail"), output)
    raise typer.Exit(0 if all(row["state"] == "up" for row in rows) else EXIT_AWAY)


def _serve(settings: Settings, home: PlatformHome) -> None:
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())

    def tell(step: str) -> None:
        console.print(step)
        home.write(step)

    with home.lock():
        try:
            with LocalPlatform(settings, on_step=tell):
                tell("ready")
                stopping.wait()
        except MabosError as error:
            home.write("failed", str(error))
            raise
        home.forget()


def _start_in_background(home: PlatformHome) -> None:
    logs = home.folder / "logs"
    try:
        logs.mkdir(parents=True, exist_ok=True)
        home.forget()
        log = (logs / "platform.log").open("ab")
    except OSError as error:
        raise LocalPlatformError(f"{logs} cannot be written: {error.strerror}, see MABOS_HOME") from error
    with log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mabos.cli.main", "up", "--foreground"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_TIMEOUT_S
    with console.status("starting") as line:
        while True:
            ended = process.poll() is not None
            state = home.read()
            if state is not None and state.step == "failed":
                raise LocalPlatformError(state.error)
            if ended or time.monotonic() > deadline:
                raise LocalPlatformError(f"the platform did not start: see {logs / 'platform.log'}")
            if state is not None and state.step == "ready":
                return
            line.update(state.step if state else "starting")
            time.sleep(_POLL_S)


def _addresses(settings: Settings) -> dict[str, str]:
    return {
        "broker": settings.bootstrap_servers,
        "registry": settings.schema_registry_url,
        "gateway": settings.gateway_url,
        "data": str(settings.home),
    }


def _look_at_broker(settings: Settings) -> dict[str, Any]:
    row = {"part": "broker", "state": "up", "address": settings.bootstrap_servers}
    try:
        cluster = Cluster(settings, timeout_s=3)
        brokers = cluster.count_brokers()
        specs = read_topic_specs(Queue(name=settings.queue), brokers=brokers)
        changes = diff_topics(specs, cluster.describe_topics([spec.name for spec in specs]))
    except BrokerUnavailable:
        return row | {"state": "down", "detail": "start it with `mabos up`"}
    topics = "topics as wanted" if not changes else f"{len(changes)} differences, see `mabos topics diff`"
    return row | {"detail": f"{brokers} broker{'s' if brokers > 1 else ''}, {topics}"}


def _look_at_registry(settings: Settings) -> dict[str, Any]:
    answers = open_registry(settings).is_answering()
    row = {"part": "registry", "state": "up" if answers else "down", "address": settings.schema_registry_url}
    return row | {"detail": "" if answers else "start it with `mabos up`"}


def _look_at_gateway(settings: Settings) -> dict[str, Any]:
    found = http_status(settings.gateway_url + "/readyz")
    row = {"part": "gateway", "state": "down" if found is None else "up", "address": settings.gateway_url}
    detail = {None: "start it with `mabos up` or `mabos gateway run`", 200: "ready"}
    return row | {"detail": detail.get(found, f"not ready, /readyz answers {found}")}

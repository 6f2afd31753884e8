"""The whole road, for real: ``make run``.

Starts the platform (or uses the one that ``mabos up`` started) and two workers of the example agents, publishes
``tasks.jsonl``, half over HTTP and half with the SDK, shows the responses as they arrive, and then reads the topics to
prove that every task was answered, and that each agent's tasks were answered in order.

With ``ONCE=1``, or when standard output is no terminal, it ends after the summary: with 0 only if everything held.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from examples.senders import Mail, read_mail, send_over_http, send_with_sdk
from examples.watching import Watch, percentile
from mabos.cli.home import READY, PlatformHome
from mabos.cli.local_platform import LocalPlatform, StartCancelled
from mabos.cli.output import make_streams_safe, print_error, print_note, print_step
from mabos.cli.programs import Programs
from mabos.cli.signals import StopRequest, call_on_signals
from mabos.consumers.responses import ResponseFeed
from mabos.kafka.admin import Cluster
from mabos.kafka.clients import open_registry
from mabos.kafka.queues import prepare_queue
from mabos.kafka.settings import Settings, load_settings
from mabos.kafka.topics import Queue
from mabos.schemas import MabosError, SchemaRegistry
from mabos.streams import Auditor, AuditRange, AuditReport, Finding

WORKERS = 2
GROUP = "mabos"
TASKS_FILE = Path(__file__).with_name("tasks.jsonl")
ANSWER_TIMEOUT_S = 60.0


def main() -> int:
    """Run the road once, then stay up if somebody watches."""
    make_streams_safe()
    stays = sys.stdout.isatty() and os.environ.get("ONCE", "") in ("", "0")
    stopping = StopRequest()
    call_on_signals(stopping.set)
    began_s = time.monotonic()
    try:
        settings = load_settings()
        with platform(settings, stopping), Programs(settings.home / "logs") as programs:
            start_workers(settings, programs, stopping)
            print_note(f"ready after {time.monotonic() - began_s:.1f} s")
            held = not stopping.is_set() and publish_and_watch(settings, stopping)
            if stays and not stopping.is_set():
                print(what_next(settings), flush=True)
                stopping.wait()
                print(flush=True)  # the terminal has written ^C into the line
            print_step("stopping workers")
    except StartCancelled:
        return 0
    except MabosError as error:
        print_error(str(error))
        return 1
    return 0 if held or stopping.is_set() else 1


@contextmanager
def platform(settings: Settings, stopping: StopRequest) -> Iterator[None]:
    """The platform of this machine: the one that is up, or one of our own."""
    home = PlatformHome(settings.home)
    if home.is_running():
        print_note("using the platform that is up")
        prepare_queue(settings)
        yield
        return
    with ExitStack() as stack:
        stack.enter_context(home.lock())
        stack.callback(home.forget)
        print_note(f"data and logs are in {settings.home}")
        stack.enter_context(LocalPlatform(settings, on_step=print_step, is_cancelled=stopping.is_set))
        home.write(READY)
        yield


def start_workers(settings: Settings, programs: Programs, stopping: StopRequest) -> None:
    """Start the workers, and wait until the group has given each of them partitions.

    Raises:
        StartFailed: A worker ended, or got no partitions; says why.
    """
    print_step(f"starting {WORKERS} workers of examples.agents")
    cluster, topic = Cluster(settings), Queue(name=settings.queue).requests
    wanted = len(cluster.end_offsets(topic))
    arguments = ["-m", "mabos.cli.main", "worker", "run", "examples.agents:agents"]
    workers = [programs.run(f"worker-{number}", arguments) for number in range(1, WORKERS + 1)]

    def is_shared() -> bool:
        members = cluster.group_members(GROUP).values()
        return sum(map(len, members)) == wanted and sum(map(bool, members)) >= WORKERS

    def is_over() -> bool:
        return stopping.is_set() or is_shared() or not all(worker.is_alive for worker in workers)

    for worker in workers:
        worker.wait_until(is_over, timeout_s=ANSWER_TIMEOUT_S)


def publish_and_watch(settings: Settings, stopping: StopRequest) -> bool:
    """Publish the tasks, show what comes back, and print the summary; says whether everything held."""
    mail = read_mail(TASKS_FILE, run_id=time.strftime("%m%d-%H%M%S"))
    registry, since_ms = open_registry(settings), time.time_ns() // 1_000_000
    feed, watch = ResponseFeed(settings, registry), Watch(mail)
    feed.listen(watch.take)
    feed.start()
    try:
        with watch.shown():
            publish(settings, mail, watch)
            answered = watch.wait(ANSWER_TIMEOUT_S, stopping.is_set)
    finally:
        feed.stop()
    if stopping.is_set():
        return False
    report = prove(settings, registry, since_ms, mail)
    print_summary(watch, report)
    return answered and report.holds and report.requests == len(mail)


def publish(settings: Settings, mail: list[Mail], watch: Watch) -> None:
    """Publish half over HTTP and half with the SDK, at the same time; an agent's tasks all take one of the two."""
    errors: list[MabosError] = []

    def run(send: Callable[[Settings, list[Mail], Watch], None], part: list[Mail]) -> None:
        try:
            send(settings, part, watch)
        except MabosError as error:
            errors.append(error)

    agents = sorted({one.agent_id for one in mail})
    over_http = set(agents[::2])
    doors = (
        threading.Thread(target=run, args=(send_over_http, [one for one in mail if one.agent_id in over_http])),
        threading.Thread(target=run, args=(send_with_sdk, [one for one in mail if one.agent_id not in over_http])),
    )
    for door in doors:
        door.start()
    for door in doors:
        door.join()
    if errors:
        raise errors[0]


def prove(settings: Settings, registry: SchemaRegistry, since_ms: int, mail: list[Mail]) -> AuditReport:
    """Read from the topics what became of this run's tasks, and check it; others may use the platform meanwhile."""
    ours = frozenset((one.agent_id, one.task_id) for one in mail)
    return Auditor(settings, registry, asked=AuditRange(since_ms=since_ms, tasks=ours)).run()


def print_summary(watch: Watch, report: AuditReport) -> None:
    """Print what came of the run."""
    latencies = sorted(watch.latencies_s)
    by_status = ", ".join(f"{count} {status.value}" for status, count in sorted(report.outcomes.items()))
    took_s = max(watch.took_s, 1e-6)
    disordered, lost = (report.found.get(kind, 0) for kind in (Finding.DISORDERED, Finding.UNANSWERED))
    lines = {
        "sent": f"{len(watch.mail)} tasks for {len({one.agent_id for one in watch.mail})} agents: "
        f"{watch.count('http')} over HTTP, {watch.count('sdk')} with the SDK",
        "answered": f"{sum(report.outcomes.values())}: {by_status or 'none'}",
        "rate": f"{len(latencies) / took_s:.0f} tasks/s, all sent at once",
        "latency": f"p50 {percentile(latencies, 50) * 1000:.0f} ms, p99 {percentile(latencies, 99) * 1000:.0f} ms,"
        " most of it waiting in line: it is a burst",
        "order": "held for every agent" if not disordered else f"BROKEN for {disordered} tasks",
        "lost": "nothing" if not lost else f"{lost} tasks have no response",
    }
    print(flush=True)
    for name, text in lines.items():
        print(f"  {name:<9} {text}")
    print(flush=True)


def what_next(settings: Settings) -> str:
    """What a person may try now."""
    url = settings.gateway_url
    return f"""The platform is up. In another terminal, in this folder:

  .venv/bin/mabos status
  .venv/bin/mabos call --agent support-01 --action word_count \\
      --payload '{{"text": "Where is my parcel?"}}'
  curl -s {url}/api/tasks -H 'content-type: application/json' \\
      -d '{{"task_id": "1", "agent_id": "agent_1", "payload": {{"action": "test"}}}}'
  .venv/bin/python examples/service.py
  .venv/bin/mabos worker run examples.agents:agents   # shares the partitions

The console is at {url}, the HTTP API is described at {url}/docs. Ctrl-C stops everything."""


if __name__ == "__main__":
    sys.exit(main())

"""How fast the view catches up with topics that are full already, and what each event costs."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace

import orjson
import psutil
from confluent_kafka import Producer
from pydantic import SecretStr

from benchmarks.contenders import PROJECTOR, Started, running
from benchmarks.display import Display
from benchmarks.errors import MeasurementFailed
from benchmarks.profiles import Profiler
from benchmarks.rig import Rig, describe_road
from benchmarks.tasks import make_task
from benchmarks.wire import Road, Wire, do_task
from mabos.kafka.clients import librdkafka_config
from mabos.kafka.settings import Settings
from mabos.streams.database import Connection, connect, ensure_view, live_schema
from mabos.streams.local_database import LocalDatabase

_LOOK_EVERY_S = 0.05
_STALL_S = 60.0
_SKIPPED_PART = 10  # the first tenth
_ANSWERED_BEHIND = 1_000  # tasks that are asked before the first of them is answered
_FLUSH_TIMEOUT_S = 60.0
_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """What one run gave."""

    rate: float
    """Events a second, from a tenth of the way to the end."""
    projector_us: float
    """Processor time of the projector for an event, in microseconds; its start does not count."""
    database_us: float
    """The same of PostgreSQL."""
    peak_rss_mib: float
    """The most memory that the projector was seen to have, in MiB."""

    def __str__(self) -> str:
        """One line for people."""
        return (
            f"{self.rate:9,.0f} events/s  {self.projector_us:5.1f} us CPU an event and {self.database_us:5.1f} us"
            f" of PostgreSQL  {self.peak_rss_mib:5.0f} MiB"
        )


@dataclass(frozen=True, slots=True)
class _Look:
    at_s: float
    done: int
    projector_s: float
    database_s: float


class ProjectionBench:
    """Has a projector make the view of a full queue, in a database of its own.

    Args:
        rig: The broker and registry.
        display: Shows how far it is.
        profiler: Looks into the projector while it runs; None to leave it alone.
    """

    def __init__(self, rig: Rig, display: Display, profiler: Profiler | None = None) -> None:
        self._rig, self._display, self._profiler = rig, display, profiler

    def measure(self, tasks: int) -> Projection:
        """Catch up with so many tasks and their answers; what is in the view is checked afterwards.

        Raises:
            MeasurementFailed: The projector ended or stood still, or the view is not what the topics say.
        """
        with LocalDatabase() as database, self._rig.new_queue() as found:
            settings = found.model_copy(update={"database_url": SecretStr(database.url)})
            road = describe_road(settings)
            publish_history(settings, road, tasks)
            ensure_view(settings, live_schema(settings.queue))
            contender = replace(PROJECTOR, limits={"database_url": database.url})
            with (
                running(contender, road, self._rig.folder, self._profiler) as started,
                connect(settings, live_schema(settings.queue), autocommit=True) as connection,
            ):
                result = self._watch(started, database.pid, connection, tasks * 2)
                _prove(connection, tasks)
        self._display.say(f"  {contender.name:<32} {result}")
        return result

    def _watch(self, started: Started, postmaster: int, connection: Connection, events: int) -> Projection:
        looks, peak_bytes, stalled_at_s = [_Look(0, 0, 0, 0)], 0, time.monotonic() + _STALL_S
        program = psutil.Process(started.pid)
        with self._display.bar(started.name, events):
            while looks[-1].done < events:
                time.sleep(_LOOK_EVERY_S)
                (done,) = connection.execute("SELECT coalesce(sum(next_offset), 0) FROM partitions").fetchone() or (0,)
                if done > looks[-1].done:
                    times = program.cpu_times()
                    peak_bytes = max(peak_bytes, program.memory_info().rss)
                    looks.append(_Look(time.monotonic(), int(done), times.user + times.system, _cpu_s(postmaster)))
                    stalled_at_s = time.monotonic() + _STALL_S
                    self._display.set(int(done))
                    continue
                started.check()
                if time.monotonic() > stalled_at_s:
                    raise MeasurementFailed(f"{started.name} stands still at {looks[-1].done} of {events} events")
        first = next(look for look in looks if look.done >= events / _SKIPPED_PART)
        last = looks[-1]
        counted = last.done - first.done
        if not counted:
            raise MeasurementFailed(f"{events} events are too few to measure")
        return Projection(
            rate=counted / (last.at_s - first.at_s),
            projector_us=(last.projector_s - first.projector_s) / counted * 1e6,
            database_us=(last.database_s - first.database_s) / counted * 1e6,
            peak_rss_mib=peak_bytes / _MIB,
        )


def publish_history(settings: Settings, road: Road, tasks: int) -> None:
    """Fill the topics with tasks and their answers, the answers a little behind.

    Raises:
        MeasurementFailed: They could not be published.
    """
    producer = Producer(
        librdkafka_config(settings, "producer")
        | {"queue.buffering.max.messages": 10_000_000, "queue.buffering.max.kbytes": 2_000_000}
    )
    wire = Wire(road)
    for number in range(tasks + _ANSWERED_BEHIND):
        if number < tasks:
            task_id, agent_id, payload = make_task(number)
            request = wire.encode_request(task_id, agent_id, orjson.dumps(payload).decode())
            producer.produce(road.requests, request, agent_id)
        if number >= _ANSWERED_BEHIND:
            task_id, agent_id, payload = make_task(number - _ANSWERED_BEHIND)
            answer = wire.encode_response(
                {"task_id": task_id, "agent_id": agent_id}, orjson.dumps(do_task(payload)).decode()
            )
            producer.produce(road.responses, answer, agent_id)
    if producer.flush(_FLUSH_TIMEOUT_S):
        raise MeasurementFailed("the load could not be published")


def _prove(connection: Connection, tasks: int) -> None:
    """See that the view holds each task once, answered once."""
    found = connection.execute(
        "SELECT (SELECT count(*) FROM tasks WHERE state = 'completed' AND superseded = 0 AND duplicates = 0"
        " AND payload IS NOT NULL AND result IS NOT NULL), (SELECT count(*) FROM tasks),"
        " (SELECT sum(requested) FROM agent_minutes), (SELECT sum(completed) FROM agent_minutes),"
        " (SELECT count(*) FROM poisoned)"
    ).fetchone()
    if found != (tasks, tasks, tasks, tasks, 0):
        raise MeasurementFailed(f"the view of {tasks} tasks counts {found}")


def _cpu_s(postmaster: int) -> float:
    """The processor time of PostgreSQL until now: of the processes that are, and of those that were."""
    server = psutil.Process(postmaster)
    times = server.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for process in server.children(recursive=True):
        with suppress(psutil.Error):  # it has just ended
            found = process.cpu_times()
            total += found.user + found.system
    return float(total)

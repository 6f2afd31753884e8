"""The deadline watcher: tasks whose deadline passed without an outcome are answered ``timed_out``.

One watcher of a queue works, however many run: it holds a lock in the database. It writes in transactions under one
name, so that whoever takes over first ends what the last one left, and fences it. Before it answers, it reads the
stretch of the responses that the view has not read yet: so it answers nothing that has an outcome on the log, be it its
own. What a worker writes in the same moment may still come first; then that counts, for the log decides.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Collection, Mapping
from types import TracebackType
from typing import NamedTuple, Self

import psycopg
import structlog
from confluent_kafka import KafkaException, Producer

from mabos.consumers.log import read_log
from mabos.consumers.transactions import transactional
from mabos.kafka.admin import Cluster
from mabos.kafka.clients import librdkafka_config, open_registry
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas.codec import RESPONSE, Codec
from mabos.schemas.errors import DecodeError, MabosError
from mabos.schemas.events import Status, TaskError, TaskResponse
from mabos.schemas.fields import show_ms
from mabos.schemas.registry import SchemaRegistry
from mabos.streams.database import Connection, connect, live_schema, require_version
from mabos.streams.task_rows import Key

log = structlog.stdlib.get_logger("mabos.deadlines")

GRACE_S = 10.0
"""How long after its deadline a task is left to its worker."""

_EVERY_S = 1.0
_AWAY_PAUSE_S = 2.0
_AT_ONCE = 500
_MOST_UNREAD = 20_000
_CALL_TIMEOUT_S = 20.0
_LOCK = 0x6D61626F + 1  # beside the one under which views are made

_FIND = """
SELECT tasks.task_id, tasks.agent_id, tasks.partition, (extract(epoch FROM tasks.deadline) * 1000)::bigint,
       coalesce(partitions.next_offset, 0)
FROM tasks LEFT JOIN partitions ON partitions.topic = %(topic)s AND partitions.partition = tasks.partition
WHERE tasks.deadline IS NOT NULL AND tasks.response_offset IS NULL AND tasks.request_offset IS NOT NULL
  AND tasks.deadline < 'epoch'::timestamptz + %(before_ms)s * interval '1 ms' AND tasks.partition <> ALL(%(behind)s)
ORDER BY tasks.deadline LIMIT %(limit)s
"""


class Overdue(NamedTuple):
    """A task whose deadline passed, and that has no outcome in the view."""

    task_id: str
    agent_id: str
    partition: int
    deadline_ms: int
    next_offset: int
    """Of the responses of its partition the view has read what stands before this offset."""

    @property
    def key(self) -> Key:
        """The task, as rows name it."""
        return self.task_id, self.agent_id


class DeadlineWatcher:
    """Answers overdue tasks of a queue; run as many as you like.

    Args:
        settings: Where Kafka, the registry and the database are.
        registry: The registry; by default that of the settings.
        grace_s: How long after its deadline a task is left to its worker.
    """

    def __init__(self, settings: Settings, registry: SchemaRegistry | None = None, *, grace_s: float = GRACE_S) -> None:
        self._settings, self._grace_s = settings, grace_s
        self._topic = Queue(name=settings.queue).responses
        self._codec = Codec.for_topic(RESPONSE, self._topic, registry or open_registry(settings))
        self._cluster = Cluster(settings)
        self._stopping = threading.Event()
        self._connection: Connection | None = None
        self._producer: Producer | None = None
        self._thread = threading.Thread(target=self.run, name="mabos-deadlines", daemon=True)
        self.answered = 0
        """How many tasks it has answered."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Watch in a thread of its own until :meth:`stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, after what is in hand."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(3 * _CALL_TIMEOUT_S)

    def run(self) -> None:
        """Watch until :meth:`stop`. What is away is waited for."""
        while not self._stopping.is_set():
            pause_s = _EVERY_S
            try:
                if self.look() == _AT_ONCE:
                    continue  # there are more
            except (psycopg.Error, KafkaException, MabosError) as error:
                log.warning("deadlines wait", cause=str(error).strip().splitlines()[0] if str(error) else repr(error))
                self.let_go()
                pause_s = _AWAY_PAUSE_S
            self._stopping.wait(pause_s)
        self.let_go()

    def look(self) -> int:
        """Look once, if it is this watcher's turn; returns how many tasks were answered.

        Raises:
            psycopg.Error: The database went away.
            KafkaException: The broker did, or another watcher took over.
            MabosError: One of them does not answer, or there is no view.
        """
        connection = self._take_turn()
        if connection is None:
            return 0
        overdue = self._find(connection, ())
        unread = self._unread(overdue)
        behind = {partition for partition, (begin, end) in unread.items() if end - begin > _MOST_UNREAD}
        if behind:
            log.warning("the view is behind: deadlines of some partitions wait", partitions=sorted(behind))
            overdue = self._find(connection, behind)
            unread = self._unread(overdue)
        if not overdue:
            return 0
        ended = self._read(unread)
        answers = [task for task in overdue if task.key not in ended]
        if answers:
            self._answer(answers)
        return len(answers)

    def let_go(self) -> None:
        """Leave the turn to another watcher."""
        self._producer = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _take_turn(self) -> Connection | None:
        """The connection that holds the lock; None while another watcher has it."""
        if self._connection is None:
            schema = live_schema(self._settings.queue)
            connection = connect(self._settings, schema, autocommit=True)
            number = zlib.crc32(schema.encode()) - 2**31
            held = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", (_LOCK, number)).fetchone()
            if held is None or not held[0]:
                connection.close()
                return None
            self._connection = connection
            require_version(connection, schema)
        return self._connection

    def _find(self, connection: Connection, behind: Collection[int]) -> list[Overdue]:
        """Overdue tasks of partitions that the view has read far enough, and how far, in one glance."""
        before_ms = round((time.time() - self._grace_s) * 1000)
        values = {"topic": self._topic, "before_ms": before_ms, "behind": list(behind), "limit": _AT_ONCE}
        return [Overdue(*row) for row in connection.execute(_FIND, values)]

    def _unread(self, overdue: Collection[Overdue]) -> dict[int, tuple[int, int]]:
        """By partition, the stretch of responses that the view had not read."""
        if not overdue:
            return {}
        self._open_producer()  # first: with it the last watcher is fenced, and nothing of it comes after these ends
        ends = self._cluster.end_offsets(self._topic)
        return {task.partition: (task.next_offset, ends.get(task.partition, 0)) for task in overdue}

    def _read(self, unread: Mapping[int, tuple[int, int]]) -> set[Key]:
        """The tasks that have an outcome in some stretches of the responses."""
        ended: set[Key] = set()
        begins = {partition: begin for partition, (begin, _) in unread.items()}
        for message in read_log(self._settings, self._topic, begins, {p: end for p, (_, end) in unread.items()}):
            try:
                response = self._codec.decode(message.value())
            except DecodeError:
                continue
            if response.status.is_terminal:
                ended.add((response.task_id, response.agent_id))
        return ended

    def _answer(self, overdue: Collection[Overdue]) -> None:
        """Answer all of them or none."""
        producer = self._open_producer()
        producer.begin_transaction()
        for task in overdue:
            producer.produce(
                self._topic,
                key=task.agent_id.encode(),
                value=self._codec.encode(to_response(task)),
                partition=task.partition,
            )
        producer.commit_transaction(_CALL_TIMEOUT_S)  # in doubt, it raises, and who begins anew reads what became of it
        self.answered += len(overdue)
        log.info("deadlines passed without an outcome", tasks=len(overdue))

    def _open_producer(self) -> Producer:
        if self._producer is None:
            name = f"mabos-deadlines-{self._settings.queue}"
            config = librdkafka_config(self._settings, "producer", client_id="mabos-deadlines")
            producer = Producer(transactional(config, name))
            producer.init_transactions(_CALL_TIMEOUT_S)
            self._producer = producer
        return self._producer


def to_response(task: Overdue) -> TaskResponse:
    """What is answered to a task that nobody has answered in time."""
    message = f"nobody had answered when the deadline, {show_ms(task.deadline_ms)}, was over"
    return TaskResponse(
        task_id=task.task_id,
        agent_id=task.agent_id,
        status=Status.TIMED_OUT,
        error=TaskError(code="deadline", message=message),
        attempt=0,
    )

"""A task view in a real database, written and looked at by tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from confluent_kafka import Producer
from pydantic import SecretStr

from mabos.kafka.admin import Cluster
from mabos.kafka.clients import librdkafka_config, open_registry
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas.codec import RESPONSE, Codec
from mabos.schemas.events import TaskResponse
from mabos.streams.database import Connection, connect, drop_generation, ensure_view, live_schema
from mabos.streams.local_database import LocalDatabase
from mabos.streams.projector import Projector
from tests.support.platform import Platform

TABLES = ("tasks", "agent_minutes", "poisoned", "dead_letters")


_DRIFT = """
SELECT agent_id, state, kept.tasks, counted.tasks
FROM (SELECT agent_id, state, sum(tasks) AS tasks FROM agent_states GROUP BY 1, 2 HAVING sum(tasks) <> 0) AS kept
FULL JOIN (SELECT agent_id, state, count(*) AS tasks FROM tasks GROUP BY 1, 2) AS counted USING (agent_id, state)
WHERE kept.tasks IS DISTINCT FROM counted.tasks
"""


def read_drift(settings: Settings, schema: str | None = None) -> list[tuple[Any, ...]]:
    """Agents and states whose count is not that of their tasks, with both counts."""
    with connect(settings, schema or live_schema(settings.queue)) as connection:
        return connection.execute(_DRIFT).fetchall()


def count_anew(connection: Connection) -> None:
    """Make the counts fit to tasks that a test wrote by itself."""
    connection.execute("TRUNCATE agent_states")
    connection.execute(
        "INSERT INTO agent_states (tasks, is_forgotten, agent_id, state)"
        " SELECT count(*), false, agent_id, state FROM tasks GROUP BY agent_id, state"
    )


def make_view(platform: Platform, database: LocalDatabase) -> Settings:
    """Settings of a queue that nobody else uses, with an empty view."""
    settings = platform.new_queue(database_url=SecretStr(database.url))
    ensure_view(settings, live_schema(settings.queue))
    return settings


def read_rows(settings: Settings, schema: str | None = None) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of the tables that the log makes, in an order of their own; the counts of tasks must be right."""
    assert read_drift(settings, schema) == []
    with connect(settings, schema or live_schema(settings.queue)) as connection:
        return {
            table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3, {table}::text").fetchall()  # noqa: S608
            for table in TABLES
        }


def read_one(settings: Settings, query: str, *values: object) -> Any:
    """The first row of a query on the live view."""
    with connect(settings, live_schema(settings.queue), autocommit=True) as connection:
        return connection.execute(query, values).fetchone()  # type: ignore[arg-type]  # a test's own text


def is_caught_up(settings: Settings) -> bool:
    """Whether the view has read all that the topics hold."""
    cluster, queue = Cluster(settings), Queue(name=settings.queue)
    ends = {
        (topic, partition): offset for topic in queue.topics for partition, offset in cluster.end_offsets(topic).items()
    }
    ensure_view(settings, live_schema(settings.queue))
    with connect(settings, live_schema(settings.queue)) as connection:
        found = connection.execute("SELECT topic, partition, next_offset FROM partitions").fetchall()
    reached = {(topic, partition): offset for topic, partition, offset in found}
    return all(reached.get(place, 0) >= end for place, end in ends.items())


def rebuild_and_compare(settings: Settings, wait: Callable[[Callable[[], bool]], object]) -> None:
    """Assert that the view, dropped and made again from the log by one projector, is the same row for row."""
    before = read_rows(settings)
    drop_generation(settings, live_schema(settings.queue))
    with running(settings):
        wait(lambda: is_caught_up(settings))
    after = read_rows(settings)
    for table in TABLES:
        assert before[table] == after[table], table


class Answerer:
    """Answers tasks by hand, in the partition that it is told."""

    def __init__(self, settings: Settings) -> None:
        self.topic = Queue(name=settings.queue).responses
        self._codec = Codec.for_topic(RESPONSE, self.topic, open_registry(settings))
        self.producer = Producer(librdkafka_config(settings, "producer"))

    def answer(self, partition: int, response: TaskResponse, *, flush: bool = True) -> None:
        """Publish a response."""
        self.publish(partition, self._codec.encode(response), flush=flush)

    def publish(self, partition: int, value: bytes, *, flush: bool = True) -> None:
        """Publish any bytes as a response."""
        self.producer.produce(self.topic, value=value, partition=partition)
        if flush:
            self.flush()

    def flush(self) -> None:
        """Wait until all of them are stored."""
        assert self.producer.flush(60) == 0


@contextmanager
def running(settings: Settings, **options: Any) -> Iterator[Projector]:
    """A projector in a thread."""
    projector = Projector(settings, **options)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            projector.run()
        except BaseException as error:  # noqa: BLE001 - told to the test
            failures.append(error)

    thread = Thread(target=run, name="projector")
    thread.start()
    try:
        yield projector
    finally:
        projector.stop()
        thread.join(30)
        assert not thread.is_alive()
    assert failures == []

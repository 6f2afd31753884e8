"""The task view on a real broker and database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import Producer

from mabos.kafka.admin import Cluster
from mabos.kafka.clients import librdkafka_config, open_registry
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.producers import TaskProducer
from mabos.schemas.codec import REQUEST, Codec
from mabos.schemas.events import Status, TaskError, TaskRequest, TaskResponse
from mabos.streams.database import connect, live_schema
from mabos.streams.local_database import LocalDatabase
from tests.support.platform import Platform
from tests.support.view import Answerer, is_caught_up, make_view, read_one, read_rows, rebuild_and_compare, running
from tests.support.waiting import eventually

WAIT_S = 90.0


@pytest.fixture
def settings(platform: Platform, database: LocalDatabase) -> Settings:
    """A queue of the test's own, with its view in that database."""
    return make_view(platform, database)


@pytest.fixture
def own_database() -> Iterator[LocalDatabase]:
    """One that a test may kill."""
    with LocalDatabase() as running_one:
        yield running_one


def wait(look: object) -> None:
    eventually(look, timeout_s=WAIT_S)  # type: ignore[arg-type, type-var]


def test_a_task_becomes_a_row(settings: Settings) -> None:
    """Queued, in progress, answered: the row follows; a second answer and a second request are counted."""
    answerer = Answerer(settings)
    with TaskProducer(settings) as producer, running(settings):
        place = producer.send_task_request(agent_id="a", task_id="t", payload={"action": "sum"}).result()
        wait(lambda: read_one(settings, "SELECT state FROM tasks") == ("queued",))
        for status in (Status.IN_PROGRESS, Status.FAILED, Status.COMPLETED):
            error = TaskError(code="broken", message="it broke") if status is Status.FAILED else None
            answerer.answer(
                place.partition,
                TaskResponse(task_id="t", agent_id="a", status=status, error=error, attempt=2, started_at_ms=5),
            )
        producer.send_task_request(agent_id="a", task_id="t", payload={"action": "sum"}).result()
        producer.cancel_task(agent_id="a", task_id="t", reason="why not").result()
        wait(lambda: is_caught_up(settings))
    found = read_one(
        settings,
        "SELECT state, action, attempt, error_code, superseded, duplicates, cancel_reason, request_offset, payload"
        " FROM tasks",
    )
    assert found == ("failed", "sum", 2, "broken", 1, 1, "why not", place.offset, '{"action":"sum"}')
    assert read_one(settings, "SELECT requested, failed, completed, run_counts[118] FROM agent_minutes") == (1, 1, 0, 1)
    rebuild_and_compare(settings, wait)


def test_what_waits_is_sampled_once_the_view_is_up_to_date(settings: Settings) -> None:
    """The first sample of a projector has what stood in the log before."""
    with TaskProducer(settings) as producer:
        producer.send_task_request(agent_id="a", task_id="t", payload={}).result()
    with running(settings):
        wait(lambda: read_one(settings, "SELECT count(*) FROM backlog_minutes") != (0,))
    partitions = len(Cluster(settings).end_offsets(Queue(name=settings.queue).requests))
    found = "SELECT sum(queued), count(DISTINCT partition), min(oldest_ms) >= 0 FROM backlog_minutes"
    assert read_one(settings, found) == (1, partitions, True)


def test_poison_is_noted_and_passed(settings: Settings) -> None:
    """With its place and cause; what comes after it in its partition is in the view."""
    answerer = Answerer(settings)
    answerer.publish(3, b"\x01no avro")
    answerer.answer(3, TaskResponse(task_id="t", agent_id="a", status=Status.COMPLETED))
    with running(settings):
        wait(lambda: read_one(settings, "SELECT state FROM tasks") == ("completed",))
    found = read_one(settings, 'SELECT topic, partition, "offset", code FROM poisoned')
    assert found == (answerer.topic, 3, 0, "bad_magic")


def test_a_letter_of_anything_whatsoever_is_taken_in(settings: Settings) -> None:
    """Whatever its value, key and headers are, it becomes a row, and the view a rebuild makes is the same."""
    answerer = Answerer(settings)
    topic = Queue(name=settings.queue).dead_letters
    odd: tuple[tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]], ...] = (
        (None, None, []),
        (b"\xff", b"\x00\x00\x00\x00\x01junk", [("mabos-error-code", None), ("mabos-task-id", b"t")]),
        (b"a", b"L" * 100_000, [("mabos-error-code", b"bad_magic"), ("mabos-error", b"\x00\xff" * 3000)]),
        (b"a", b"\x00\x7f\xff\xff\xff1", [("mabos-error-code", b"handler_failed"), ("mabos-task-id", b"t")]),
    )
    for key, value, headers in odd:
        answerer.producer.produce(topic, value=value, key=key, headers=headers, partition=3)
    answerer.flush()
    with running(settings) as projector:
        wait(lambda: is_caught_up(settings))
        assert (projector.records, projector.poisoned) == (len(odd), 0)
    rows = [(row["offset"], row["code"], row["agent_id"], row["task_id"]) for row in read_letters(settings)]
    assert rows == [
        *((0, "unknown", None, None), (1, "unknown", None, "t")),
        *((2, "bad_magic", "a", None), (3, "handler_failed", "a", "t")),
    ]
    rebuild_and_compare(settings, wait)


def read_letters(settings: Settings) -> list[dict[str, object]]:
    with connect(settings, live_schema(settings.queue)) as connection:
        cursor = connection.execute('SELECT * FROM dead_letters ORDER BY "offset"')
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def test_a_request_under_a_foreign_key_is_no_task(settings: Settings) -> None:
    """Workers bury it unanswered, so it is noted as poison: a row of it would be queued for ever."""
    topic = Queue(name=settings.queue).requests
    value = Codec.for_topic(REQUEST, topic, open_registry(settings)).encode(
        TaskRequest(task_id="t", agent_id="a", payload_json="{}")
    )
    producer = Producer(librdkafka_config(settings, "producer"))
    for key in (b"another", None):
        producer.produce(topic, value=value, key=key, partition=5)
    assert producer.flush(60) == 0
    with TaskProducer(settings) as sender, running(settings):
        sender.send_task_request(agent_id="a", task_id="real", payload={}).result()
        wait(lambda: is_caught_up(settings))
    assert [row[17] for row in read_rows(settings)["tasks"]] == ["real"]
    found = [row[:4] for row in read_rows(settings)["poisoned"]]
    assert found == [(topic, 5, 0, "bad_key"), (topic, 5, 1, "bad_key")]


def test_the_database_may_go_and_come_back(own_database: LocalDatabase, platform: Platform) -> None:
    """Killed in mid-run, it is waited for; the projector goes on at its place, and the view is as if nothing was."""
    settings = make_view(platform, own_database)
    answerer = Answerer(settings)
    with TaskProducer(settings) as producer, running(settings, batch_records=50) as projector:
        for number in range(300):
            producer.send_task_request(agent_id=f"a-{number % 7}", payload={"action": "x", "n": number})
        producer.flush()
        wait(lambda: projector.batches > 2)
        own_database.kill()
        wait(lambda: projector.unready() == "the database does not answer")
        for number in range(300):
            producer.send_task_request(agent_id=f"a-{number % 7}", payload={"action": "y", "n": number})
        producer.flush()
        answerer.answer(1, TaskResponse(task_id="t", agent_id="a", status=Status.COMPLETED))
        own_database.start()
        wait(lambda: is_caught_up(settings))
        assert len(read_rows(settings)["tasks"]) == 601
        wait(lambda: projector.unready() is None and set(projector.lag.values()) == {0})
    rebuild_and_compare(settings, wait)

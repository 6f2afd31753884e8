"""Waiting and streams over the real broker: any gateway tells of any task, and nothing is missed or told twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from mabos.consumers import Recall
from mabos.gateway import create_app
from mabos.gateway.app import Gateway
from mabos.kafka.clients import librdkafka_config, open_registry
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas.events import Status
from tests.gateway.sockets import Client, ask, serve
from tests.gateway.streams import Reader
from tests.support.platform import Platform
from tests.support.responses import responding
from tests.support.waiting import eventually

PROGRESS = Status.IN_PROGRESS


@pytest.fixture
def shared(platform: Platform) -> Settings:
    """Settings of the queue that tests share: making one takes seconds."""
    return platform.settings


@contextmanager
def gateways(settings: Settings, count: int) -> Iterator[tuple[list[Gateway], list[int]]]:
    """So many gateways side by side, each with its own tail; their ports."""
    with ExitStack() as stack:
        apps = [create_app(settings) for _ in range(count)]
        ports = [stack.enter_context(serve(app)).port for app in apps]
        for port in ports:  # the first stream waits until the tail reads
            with closing(Reader(port, "/api/events").open()):
                pass
        yield apps, ports


def post(task_id: str, agent_id: str, more: str = "") -> bytes:
    body = f'{{"task_id": "{task_id}", "agent_id": "{agent_id}", "payload": {{}}}}'
    return (
        f"POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{more}"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def accept(port: int, task_id: str = "t", agent_id: str = "a") -> str:
    """The position of a new task."""
    answer = ask(port, post(task_id, agent_id))
    assert answer.status == 202
    position: str = answer.json()["position"]
    return position


def test_any_gateway_tells_of_any_task(shared: Settings) -> None:
    """A task that one gateway took is followed at another, from its acceptance on, however late one comes."""
    with gateways(shared, 2) as (_, (one, two)), responding(shared) as responder:
        request = accept(one, "t", "any")
        path = f"/api/tasks/t/events?agent_id=any&position={request}"
        with closing(Reader(two, path).open()) as early, closing(Reader(two, "/api/events").open()) as everything:
            ids = [responder.respond(request, "any", "t", PROGRESS, '{"n": 1}'), responder.respond(request, "any", "t")]
            assert [event.id for event in early.rest()] == ids
            assert [event.id for event in (everything.next(), everything.next()) if event] == ids
        for port in (one, two):
            with closing(Reader(port, path).open()) as late:
                assert [event.id for event in late.rest()] == ids
            with closing(Reader(port, path, Last_Event_ID=ids[0]).open()) as again:
                assert [event.id for event in again.rest()] == ids[1:]
            with closing(Reader(port, path, Last_Event_ID=ids[1])) as had:
                assert had.head.status == 204


def test_an_outcome_from_elsewhere_answers_who_waits(shared: Settings) -> None:
    """Prefer: wait is served by the log, whoever writes it."""
    with gateways(shared, 1) as (apps, (port,)), responding(shared) as responder, Client(port) as client:
        partition = Position.parse(accept(port, "before", "waits")).partition
        client.send(post("t", "waits", "Prefer: wait=60\r\n"))
        eventually(lambda: apps[0].waiting.waiters)
        responder.send(partition, "waits", "t", result_json='{"n": 7}')
        answer = client.read()
        assert (answer.status, answer.json()["result"]) == (200, {"n": 7})


def test_streams_that_open_while_responses_flow_miss_nothing(shared: Settings) -> None:
    """Many come at any moment of a task's life; each is told the same, in the order of the log."""
    with gateways(shared, 2) as (_, ports), responding(shared) as responder, ExitStack() as stack:
        request = accept(ports[0], "t", "flow")
        partition = Position.parse(request).partition
        path = f"/api/tasks/t/events?agent_id=flow&position={request}"
        stop = threading.Event()

        def flow() -> None:
            for number in range(100_000):
                if stop.is_set():
                    break
                responder.send(partition, "flow", "t" if number % 20 == 0 else "other", PROGRESS, f'{{"n": {number}}}')
                if number % 20 == 0:
                    responder.flush()
                    stop.wait(0.002)

        flowing = threading.Thread(target=flow)
        flowing.start()
        readers = [stack.enter_context(closing(Reader(port, path).open())) for _ in range(8) for port in ports]
        stop.set()
        flowing.join()
        responder.respond(request, "flow", "t")
        told = [[event.data["result"].get("n") for event in reader.rest()] for reader in readers]
        assert told[0][-1] is None
        assert told[0][:-1] == list(range(0, 20 * (len(told[0]) - 1), 20))
        assert all(one == told[0] for one in told)


def test_what_retention_deleted_is_gone(settings: Settings) -> None:
    """410 for a task or an event that the log has no more; what follows the oldest is still told."""
    with gateways(settings, 1) as (_, (port,)), responding(settings) as responder:
        request = accept(port)
        ids = [responder.respond(request, "a", "t", PROGRESS) for _ in range(4)]
        queue = Queue(name=settings.queue)
        admin = AdminClient(librdkafka_config(settings, "admin"))
        place = Position.parse(ids[2])
        kept = [TopicPartition(place.topic, place.partition, place.offset)]
        for future in admin.delete_records([*kept, TopicPartition(queue.requests, place.partition, 1)]).values():
            future.result(30)
        path = "/api/tasks/t/events?agent_id=a"
        for gone in (request, ids[0]):
            with closing(Reader(port, f"{path}&position={gone}")) as reader:
                assert reader.head.status == 410, reader.head
        with closing(Reader(port, path, Last_Event_ID=ids[1]).open()) as reader:
            last = responder.respond(request, "a", "t")
            assert [event.id for event in reader.rest()] == [*ids[2:], last]


def test_a_position_of_nothing_is_named(shared: Settings) -> None:
    """Beyond the end, in no partition, of another agent, in another topic: 422."""
    with gateways(shared, 1) as (_, (port,)):
        request = Position.parse(accept(port))
        others = [
            request._replace(offset=10**9),
            request._replace(partition=99),
            request,
            request._replace(topic="mabos.x.requests"),
        ]
        for other in others:
            with closing(Reader(port, f"/api/tasks/t/events?agent_id=b&position={other}")) as reader:
                assert reader.head.status == 422, other
                assert b'"field":"position"' in reader.read_body()


def test_clients_of_a_recall_are_kept_and_closed(shared: Settings) -> None:
    """Readings one after the other share one client; a stop closes it."""
    with gateways(shared, 1) as (_, (port,)), responding(shared) as responder:
        request = accept(port, "t", "kept")
        ids = [responder.respond(request, "kept", "t") for _ in range(3)]
        recall = Recall(shared, open_registry(shared))
        begin = Position.parse(ids[0])
        for _ in range(3):
            assert recall.find_begin(Position.parse(request), "kept") <= begin.offset
            past = recall.read("kept", "t", begin, begin.offset + 2)
            assert [str(position) for _, position in past.responses] == ids[:2]
        assert len(recall._idle) == 1
        recall.stop()
        assert not recall._idle

"""The HTTP door before the real broker and the real registry."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from confluent_kafka import Consumer, Message, TopicPartition

from mabos.gateway import create_app
from mabos.kafka.clients import librdkafka_config, open_registry
from mabos.kafka.ports import free_ports
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.schemas.codec import REQUEST, Codec
from tests.gateway.shape import fields_of, read_problem
from tests.gateway.sockets import serve
from tests.support.platform import Platform
from tests.support.waiting import eventually

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@contextmanager
def gateway(settings: Settings) -> Iterator[httpx.Client]:
    with (
        serve(create_app(settings)) as running,
        httpx.Client(base_url=f"http://127.0.0.1:{running.port}", timeout=60) as client,
    ):
        yield client


def read_at(settings: Settings, position: Position) -> Message:
    """The record at a position."""
    consumer = Consumer(librdkafka_config(settings, "reader"))
    try:
        consumer.assign([TopicPartition(*position)])
        message = eventually(lambda: consumer.poll(1))
        assert message.error() is None
        assert (message.topic(), message.partition(), message.offset()) == position
        return message
    finally:
        consumer.close()


def test_a_task_stands_at_the_position_answered(platform: Platform) -> None:
    """202 means stored: the record is there, keyed by its agent, with the task and the trace that were sent."""
    settings = platform.settings
    task = {
        "agent_id": "agent ä",
        "payload": {"action": "test", "n": 2**63 + 1},
        "deadline": "2099-01-31T12:00:00.123Z",
    }
    with gateway(settings) as client:
        assert client.get("/readyz").json() == {"status": "ready"}
        answer = client.post("/api/tasks", json=task, headers={"traceparent": TRACE})
    assert answer.status_code == 202
    message = read_at(settings, Position.parse(answer.json()["position"]))
    assert message.key() == "agent ä".encode()
    assert message.headers() == [("traceparent", TRACE.encode())]
    registry = open_registry(settings)
    codec = Codec.for_topic(REQUEST, str(message.topic()), registry)
    stored = codec.decode(message.value() or b"").to_json()
    assert stored == task | {"type": "TaskRequest", "task_id": answer.json()["task_id"]}


def test_tasks_of_one_agent_stand_in_the_order_they_were_sent(platform: Platform) -> None:
    """Sent one after the other, they have one partition and rising offsets."""
    with gateway(platform.settings) as client:
        answers = [client.post("/api/tasks", json={"agent_id": "in order", "payload": {"n": n}}) for n in range(20)]
    positions = [Position.parse(answer.json()["position"]) for answer in answers]
    assert len({position.partition for position in positions}) == 1
    assert positions == sorted(positions, key=lambda position: position.offset)
    assert len({position.offset for position in positions}) == 20


def test_it_recovers_when_the_registry_comes(platform: Platform, tmp_path: Path) -> None:
    """Started with the registry away, it says so, and publishes once the registry is there, by itself."""
    real = urlsplit(platform.settings.schema_registry_url)
    (port,) = free_ports(1)
    settings = platform.settings.model_copy(
        update={"schema_registry_url": f"http://127.0.0.1:{port}{real.path}", "cache_dir": tmp_path}
    )
    task = {"agent_id": "a", "payload": {}}
    with gateway(settings) as client:
        problem = read_problem(client.post("/api/tasks", json=task), 503)
        assert "schema registry" in problem["detail"]
        assert fields_of(read_problem(client.get("/readyz"), 503)) == ["schema_registry"]
        assert client.get("/healthz").status_code == 200
        with forward(port, (real.hostname or "", real.port or 80)):
            eventually(lambda: client.post("/api/tasks", json=task).status_code == 202)
        assert client.post("/api/tasks", json=task).status_code == 202  # its id is known now


def test_without_kafka_a_task_may_be_stored(platform: Platform) -> None:
    """With the broker away a task is a 503 that says what is known of it, under the name to send it again with."""
    (port,) = free_ports(1)
    settings = platform.settings.model_copy(update={"bootstrap_servers": f"127.0.0.1:{port}", "publish_timeout_s": 1.0})
    with gateway(settings) as client:
        answer = client.post("/api/tasks", json={"task_id": "mine", "agent_id": "a", "payload": {}})
        problem = read_problem(answer, 503)
        assert (problem["may_be_stored"], problem["task_id"]) == (True, "mine")
        assert fields_of(read_problem(client.get("/readyz"), 503)) == ["kafka"]


def test_a_missing_topic_is_not_ready(platform: Platform) -> None:
    """The problem names the command that makes it."""
    settings = platform.settings.model_copy(update={"queue": "never-made"})
    open_registry(settings).register("mabos.never-made.requests-value", REQUEST.schema_text)
    with gateway(settings) as client:
        problem = read_problem(client.get("/readyz"), 503)
    assert fields_of(problem) == ["kafka"]
    assert "mabos topics apply" in problem["detail"]


@contextmanager
def forward(port: int, target: tuple[str, int]) -> Iterator[None]:
    """Listen on a loopback port, and hand each connection on to a target."""
    ends: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", port)) as listener:
        thread = threading.Thread(target=_take, args=(listener, target, ends))
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)  # closing alone does not wake accept
            for end in ends:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            thread.join()


def _take(listener: socket.socket, target: tuple[str, int], ends: list[socket.socket]) -> None:
    pumps: list[threading.Thread] = []
    with suppress(OSError):
        while True:
            near, _ = listener.accept()
            far = socket.create_connection(target)
            ends += near, far
            for source, sink in ((near, far), (far, near)):
                pumps.append(threading.Thread(target=_pump, args=(source, sink)))
                pumps[-1].start()
    for pump in pumps:
        pump.join()
    for end in ends:
        end.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)

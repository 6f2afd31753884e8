"""A producer with no Kafka behind it, and the application round it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast

import httpx
from confluent_kafka import Message

from mabos.consumers.recall import Past
from mabos.consumers.responses import ResponseFeed
from mabos.gateway.access import Access
from mabos.gateway.app import Gateway, Parts, create_app
from mabos.gateway.responses import Tail
from mabos.gateway.sse import StreamLimits
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.schemas.codec import RESPONSE, Codec
from mabos.schemas.errors import InvalidTask, MabosError, RegistryUnavailable
from mabos.schemas.events import Status, TaskRequest, TaskResponse
from mabos.schemas.fields import new_task_id, to_ms
from mabos.schemas.jsontext import encode_object
from tests.support.registries import FakeRegistry


@dataclass(frozen=True, kw_only=True)
class SentFake:
    """A task that was sent; awaiting it gives its position, or raises."""

    task_id: str
    agent_id: str
    payload: Mapping[str, Any]
    deadline: datetime | None
    headers: Mapping[str, str] | None
    position: Position
    error: Exception | None
    acknowledged: asyncio.Event
    loop: asyncio.AbstractEventLoop

    @property
    def is_done(self) -> bool:
        """Whether the broker has acknowledged or refused."""
        return self.acknowledged.is_set()

    def __await__(self) -> Generator[Any, None, Position]:
        yield from self.acknowledged.wait().__await__()
        if self.error is not None:
            raise self.error
        return self.position


@dataclass(kw_only=True)
class FakeProducer:
    """Takes tasks as the real one does, refusing the same, and acknowledges them at once, or as it is told."""

    max_payload_bytes: int = 1024 * 1024
    sent: list[SentFake] = field(default_factory=list)
    refuse_with: Exception | None = None
    """Raised where a task is sent."""
    fail_with: Exception | None = None
    """Raised where a task's position is awaited."""
    stop_with: Exception | None = None
    """Raised where it is stopped."""
    hold: bool = False
    """Whether tasks wait for :meth:`acknowledge_all`."""
    stopped_with_s: list[float | None] = field(default_factory=list)
    """The timeout of each stop."""

    async def send_task_request(
        self,
        *,
        agent_id: str,
        payload: Mapping[str, Any],
        task_id: str | None = None,
        deadline: datetime | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> SentFake:
        """Take a task, unless the real producer would refuse it."""
        if self.refuse_with is not None:
            raise self.refuse_with
        request = TaskRequest(
            task_id=new_task_id() if task_id is None else task_id,
            agent_id=agent_id,
            payload_json=encode_object("payload", payload, max_bytes=self.max_payload_bytes),
            deadline_ms=to_ms("deadline", deadline),
        )
        sent = SentFake(
            task_id=request.task_id,
            agent_id=agent_id,
            payload=payload,
            deadline=deadline,
            headers=headers,
            position=Position("mabos.tasks.requests", 7, len(self.sent)),
            error=self.fail_with,
            acknowledged=asyncio.Event(),
            loop=asyncio.get_running_loop(),
        )
        if not self.hold:
            sent.acknowledged.set()
        self.sent.append(sent)
        return sent

    async def cancel_task(self, *, agent_id: str, task_id: str, reason: str = "") -> SentFake:
        """Take a cancel, as a task whose payload is the reason."""
        sent = await self.send_task_request(agent_id=agent_id, task_id=task_id, payload={"reason": reason})
        return replace(sent, position=sent.position._replace(topic="mabos.tasks.controls"))

    async def stop(self, timeout_s: float | None = None) -> None:
        """Note that it was stopped."""
        self.stopped_with_s.append(timeout_s)
        if self.stop_with is not None:
            raise self.stop_with

    def acknowledge_all(self) -> None:
        """Have the broker acknowledge what was sent; from any thread."""
        for sent in self.sent:
            sent.loop.call_soon_threadsafe(sent.acknowledged.set)


@dataclass(kw_only=True)
class FakeFactory:
    """Makes the producer, or says that the registry is away."""

    producer: FakeProducer = field(default_factory=FakeProducer)
    error: Exception | None = None
    calls: int = 0

    def __call__(self, _: Settings) -> FakeProducer:
        """Make it."""
        self.calls += 1
        if self.error is not None:
            raise self.error
        return self.producer


@dataclass(kw_only=True)
class FakePart:
    """What a look at Kafka, or at the database, finds."""

    error: Exception | None = None
    looks: int = 0

    def __call__(self) -> None:
        """Look."""
        self.looks += 1
        if self.error is not None:
            raise self.error


TOPIC = "mabos.tasks.responses"
_CODEC = Codec(RESPONSE, 1, cast(Any, None))


@dataclass(frozen=True, kw_only=True)
class Read:
    """A record of the responses, as a feed reads it."""

    event: TaskResponse
    at: int

    def key(self) -> bytes:
        """Its key."""
        return self.event.agent_id.encode()

    def value(self) -> bytes:
        """Its bytes."""
        return _CODEC.encode(self.event)


@dataclass(kw_only=True)
class FakeLog:
    """The responses of one partition, and the tail of them: the real feed, with no Kafka behind."""

    feed: ResponseFeed = field(
        default_factory=lambda: ResponseFeed(Settings(bootstrap_servers="127.0.0.1:1"), FakeRegistry().as_registry)
    )
    stored: list[TaskResponse] = field(default_factory=list)
    told: int = 0
    error: MabosError | None = None
    """Raised where the log is read."""
    tail_error: MabosError | None = None
    """Raised where the tail is made."""
    stretch: int = 1000
    """How many records one reading passes."""
    reading: Callable[[], None] = lambda: None
    """Called before each reading."""
    stops: int = 0

    def __call__(self, _: Settings) -> Tail:
        """Make the tail."""
        if self.tail_error is not None:
            raise self.tail_error
        return Tail(feed=self.feed, recall=self)

    def store(self, task_id: str = "t", agent_id: str = "a", status: Status = Status.COMPLETED, **more: Any) -> str:
        """A worker writes a response; returns its position."""
        self.stored.append(TaskResponse(task_id=task_id, agent_id=agent_id, status=status, **more))
        return str(Position(TOPIC, 7, len(self.stored) - 1))

    def tell(self) -> None:
        """The feed reads what was stored since; as its thread does."""
        while self.told < len(self.stored):
            self.told += 1
            record = Read(event=self.stored[self.told - 1], at=self.told - 1)
            self.feed._take(cast(Message, record), Position(TOPIC, 7, record.at))

    def respond(self, task_id: str = "t", agent_id: str = "a", status: Status = Status.COMPLETED, **more: Any) -> str:
        """A worker writes a response, and the feed reads it."""
        position = self.store(task_id, agent_id, status, **more)
        self.tell()
        return position

    def find_begin(self, position: Position, agent_id: str) -> int:
        """As the real one; every request was asked before the first response."""
        if self.error is not None:
            raise self.error
        if position.partition != 7 or agent_id == "nobody":
            raise InvalidTask("position", f"{position} is no task of agent {agent_id}")
        return position.offset if position.topic == TOPIC else 0

    def read(self, agent_id: str, task_id: str, begin: Position, end: int) -> Past:
        """As the real one."""
        self.reading()
        if self.error is not None:
            raise self.error
        upto = min(end, begin.offset + self.stretch)
        found = [
            (event, begin._replace(offset=offset))
            for offset, event in enumerate(self.stored[:upto])
            if offset >= begin.offset and (event.agent_id, event.task_id) == (agent_id, task_id)
        ]
        return Past(found, upto)

    def stop(self) -> None:
        """Note that it was stopped."""
        self.stops += 1


@dataclass(kw_only=True)
class Door:
    """An application with nothing real behind it, asked in this process."""

    settings: Settings = field(default_factory=lambda: Settings(max_payload_bytes=4096))
    factory: FakeFactory = field(default_factory=FakeFactory)
    kafka: FakePart = field(default_factory=FakePart)
    database: FakePart = field(default_factory=FakePart)
    log: FakeLog = field(default_factory=FakeLog)
    body_timeout_s: float = 15.0
    streams: StreamLimits = field(default_factory=StreamLimits)
    access: Access | None = None
    """Says who asks; None for everybody."""
    app: Gateway = field(init=False)

    def __post_init__(self) -> None:
        self.factory.producer.max_payload_bytes = self.settings.max_payload_bytes
        self.app = create_app(
            self.settings,
            Parts(
                producer=self.factory,
                tail=self.log,
                kafka_look=self.kafka,
                database_look=self.database,
                body_timeout_s=self.body_timeout_s,
                streams=self.streams,
                access=self.access,
            ),
        )

    @property
    def producer(self) -> FakeProducer:
        """Where its tasks go."""
        return self.factory.producer

    def ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        """One request and its answer, in an event loop of its own; an unexpected error is a 500, as in real life."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
                try:
                    return await client.request(method, path, **how)
                finally:
                    await self.app.disconnect()  # they belong to this event loop

        return asyncio.run(ask())

    def post(self, body: bytes | str, **headers: str) -> httpx.Response:
        """``POST /api/tasks`` with these bytes as JSON."""
        return self.ask(
            "POST", "/api/tasks", content=body, headers={"content-type": "application/json"} | _dashed(headers)
        )


def registry_away() -> RegistryUnavailable:
    """What the factory raises while the registry does not answer."""
    return RegistryUnavailable("schema registry at http://registry does not answer: is it up? see MABOS_...")


def _dashed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}

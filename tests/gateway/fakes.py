"""A producer with no Kafka behind it, and the application round it."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
from fastapi import FastAPI

from mabos.gateway import create_app
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.schemas.errors import RegistryUnavailable
from mabos.schemas.events import TaskRequest
from mabos.schemas.fields import new_task_id, to_ms
from mabos.schemas.jsontext import encode_object


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
class FakeKafka:
    """What a look at Kafka finds."""

    error: Exception | None = None
    looks: int = 0

    def __call__(self) -> None:
        """Look."""
        self.looks += 1
        if self.error is not None:
            raise self.error


@dataclass(kw_only=True)
class Door:
    """An application with nothing real behind it, asked in this process."""

    settings: Settings = field(default_factory=lambda: Settings(max_payload_bytes=4096))
    factory: FakeFactory = field(default_factory=FakeFactory)
    kafka: FakeKafka = field(default_factory=FakeKafka)
    body_timeout_s: float = 15.0
    app: FastAPI = field(init=False)

    def __post_init__(self) -> None:
        self.factory.producer.max_payload_bytes = self.settings.max_payload_bytes
        self.app = create_app(
            self.settings,
            producer_factory=self.factory,
            kafka_look=self.kafka,
            body_timeout_s=self.body_timeout_s,
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
                return await client.request(method, path, **how)

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

"""TaskClient and AsyncTaskClient: send a task and wait for its outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from mabos.consumers.calls import Call, Caller
from mabos.consumers.responses import ResponseFeed
from mabos.kafka.clients import open_registry
from mabos.kafka.settings import Settings, load_settings
from mabos.producers.producer import TaskProducer
from mabos.schemas.events import TaskResponse
from mabos.schemas.fields import new_task_id
from mabos.schemas.registry import SchemaRegistry


class TaskClient:
    """Calls agents from threads. Safe to share between them; one per process is enough.

    Args:
        settings: Where Kafka and the registry are.
        registry: The registry; by default that of the settings.

    Raises:
        BrokerUnavailable: No broker answers.
        RegistryError: The schemas are not registered, or the registry is away and never told their ids.
    """

    def __init__(self, settings: Settings, registry: SchemaRegistry | None = None) -> None:
        registry = registry or open_registry(settings)
        self._feed = ResponseFeed(settings, registry)
        self._producer = TaskProducer(settings, registry)
        self._caller = Caller(self._producer, self._feed)
        try:
            self._feed.start()
        except BaseException:
            self._producer.stop()
            raise

    @classmethod
    def from_settings(cls, **overrides: Any) -> Self:  # noqa: ANN401 - each setting has its own type
        """A client for the settings of this process (``MABOS_*``, ``mabos.toml``); arguments win."""
        return cls(load_settings(**overrides))

    def call(
        self,
        *,
        agent_id: str,
        payload: Mapping[str, Any],
        task_id: str | None = None,
        deadline: datetime | None = None,
        timeout_s: float = 30.0,
    ) -> TaskResponse:
        """Publish a task and wait for its outcome.

        Args:
            agent_id: The agent, 1 to 255 bytes of UTF-8.
            payload: A JSON object; ``payload["action"]`` picks the handler.
            task_id: Your name for the task; None makes a UUIDv7.
            deadline: Aware datetime after which the answer is of no use; None for never.
            timeout_s: How long to wait, publishing included.

        Returns:
            The first terminal response, whatever its status.

        Raises:
            InvalidTask: A field is refused; nothing was sent.
            PublishError: It could not be published; says whether it may be stored all the same.
            CallTimeout: There is no outcome yet. The task goes on.
            FeedStopped: The client was stopped meanwhile.
        """
        task_id = new_task_id() if task_id is None else task_id
        call = Call(agent_id=agent_id, payload=payload, task_id=task_id, deadline=deadline)
        return self._caller.call(call, timeout_s)

    def stop(self) -> None:
        """Send what was handed over, and stop listening."""
        self._producer.stop()
        self._feed.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class AsyncTaskClient:
    """Calls agents from an event loop. Arguments and errors as :class:`TaskClient`."""

    def __init__(self, settings: Settings, registry: SchemaRegistry | None = None) -> None:
        registry = registry or open_registry(settings)
        self._feed = ResponseFeed(settings, registry)
        self._producer = TaskProducer(settings, registry)
        self._caller = Caller(self._producer, self._feed)
        try:
            self._feed.start()
        except BaseException:
            self._producer.stop()
            raise

    @classmethod
    def from_settings(cls, **overrides: Any) -> Self:  # noqa: ANN401 - each setting has its own type
        """As :meth:`TaskClient.from_settings`."""
        return cls(load_settings(**overrides))

    async def call(
        self,
        *,
        agent_id: str,
        payload: Mapping[str, Any],
        task_id: str | None = None,
        deadline: datetime | None = None,
        timeout_s: float = 30.0,
    ) -> TaskResponse:
        """As :meth:`TaskClient.call`, without blocking the event loop."""
        task_id = new_task_id() if task_id is None else task_id
        call = Call(agent_id=agent_id, payload=payload, task_id=task_id, deadline=deadline)
        return await self._caller.call_async(call, timeout_s)

    async def stop(self) -> None:
        """As :meth:`TaskClient.stop`."""
        await asyncio.to_thread(self._producer.stop)
        await asyncio.to_thread(self._feed.stop)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

"""TaskClient and AsyncTaskClient: send a task and wait for its outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from mabos.consumers.errors import CallTimeout
from mabos.consumers.responses import ResponseFeed
from mabos.kafka.clients import open_registry
from mabos.kafka.settings import Settings, load_settings
from mabos.producers.producer import AsyncTaskProducer, TaskProducer
from mabos.schemas.events import TaskResponse, new_task_id
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
        give_up_s = time.monotonic() + timeout_s
        task_id = new_task_id() if task_id is None else task_id
        waiter = self._feed.expect(agent_id, task_id)
        try:
            receipt = self._producer.send_task_request(
                agent_id=agent_id, payload=payload, task_id=task_id, deadline=deadline
            )
            receipt.on_failure(lambda error: waiter.settle(None, error))
            response = waiter.result(max(0.0, give_up_s - time.monotonic()))
        finally:
            self._feed.forget(waiter)
        if response is None:
            raise CallTimeout(task_id, timeout_s)
        return response

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
        self._producer = AsyncTaskProducer(settings, registry)
        try:
            self._feed.start()
        except BaseException:
            self._producer.stop_now()
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
        waiter = self._feed.expect(agent_id, task_id)
        try:
            async with asyncio.timeout(timeout_s):
                receipt = await self._producer.send_task_request(
                    agent_id=agent_id, payload=payload, task_id=task_id, deadline=deadline
                )
                receipt.on_failure(lambda error: waiter.settle(None, error))
                return await waiter
        except TimeoutError as error:
            raise CallTimeout(task_id, timeout_s) from error
        finally:
            self._feed.forget(waiter)

    async def stop(self) -> None:
        """As :meth:`TaskClient.stop`."""
        await self._producer.stop()
        await asyncio.to_thread(self._feed.stop)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

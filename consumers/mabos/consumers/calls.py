"""A call: a task is published and its outcome awaited, in a thread or on an event loop. The core under all who ask."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mabos.consumers.errors import CallTimeout
from mabos.consumers.responses import ResponseFeed
from mabos.producers.producer import TaskProducer
from mabos.schemas.events import TaskResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is asked of whom; each field as :meth:`mabos.producers.TaskProducer.send_task_request` has it."""

    agent_id: str
    """The agent."""
    payload: Mapping[str, Any]
    """What it shall do."""
    task_id: str
    """The name of the task."""
    deadline: datetime | None = None
    """When the answer is of no more use; None for never."""
    headers: Mapping[str, str] | None = None
    """Kafka headers."""


class Caller:
    """Makes calls, from threads and from event loops, over a producer and a feed that someone else stops.

    Args:
        producer: Publishes the tasks.
        feed: Hears of their outcomes; started before the first call.
    """

    def __init__(self, producer: TaskProducer, feed: ResponseFeed) -> None:
        self._producer, self._async_producer, self._feed = producer, producer.as_async(), feed

    def call(self, call: Call, timeout_s: float | None, begun_s: float | None = None) -> TaskResponse:
        """Publish a task and wait for its outcome in this thread.

        Args:
            call: The task.
            timeout_s: How long to wait, publishing included; None for as long as it takes.
            begun_s: When the wait began, on the monotonic clock; None for now.

        Returns:
            The first terminal response, whatever its status.

        Raises:
            InvalidTask: A field is refused; nothing was sent.
            PublishError: It could not be published; says whether it may be stored all the same.
            CallTimeout: There is no outcome yet. The task goes on.
            FeedStopped: The feed was stopped meanwhile.
        """
        begun_s = time.monotonic() if begun_s is None else begun_s
        waiter = self._feed.expect(call.agent_id, call.task_id)
        try:
            receipt = self._producer.send_task_request(
                agent_id=call.agent_id,
                payload=call.payload,
                task_id=call.task_id,
                deadline=call.deadline,
                headers=call.headers,
            )
            receipt.on_failure(lambda error: waiter.settle(None, error))
            response = waiter.result(_time_left(timeout_s, begun_s))
        finally:
            self._feed.forget(waiter)
        if response is None:
            raise CallTimeout(call.task_id, timeout_s or 0.0)
        return response

    async def call_async(self, call: Call, timeout_s: float | None, begun_s: float | None = None) -> TaskResponse:
        """As :meth:`call`, without blocking the event loop."""
        begun_s = time.monotonic() if begun_s is None else begun_s
        waiter = self._feed.expect(call.agent_id, call.task_id)
        is_sent = False
        try:
            async with asyncio.timeout(_time_left(timeout_s, begun_s)):
                receipt = await self._async_producer.send_task_request(
                    agent_id=call.agent_id,
                    payload=call.payload,
                    task_id=call.task_id,
                    deadline=call.deadline,
                    headers=call.headers,
                )
                is_sent = True
                receipt.on_failure(lambda error: waiter.settle(None, error))
                return await waiter
        except TimeoutError as error:
            raise CallTimeout(call.task_id, timeout_s or 0.0, is_sent=is_sent) from error
        finally:
            self._feed.forget(waiter)


def _time_left(timeout_s: float | None, begun_s: float) -> float | None:
    return None if timeout_s is None else max(0.0, begun_s + timeout_s - time.monotonic())

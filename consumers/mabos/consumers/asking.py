"""Asker: through it a handler asks other agents, and sends them tasks. One per worker.

What it makes carries where it came from (:mod:`mabos.consumers.lineage`), and has no later deadline than the task in
the handler's hands. Its producer is made when a handler first needs it, which takes a few milliseconds since the worker
has told the registry's ids before. Its feed has to ask a broker, which may take seconds: that is done in a thread of
its own, once for all who ask meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
import time
import warnings
from collections.abc import Generator, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any

import structlog

from mabos.consumers.calls import Call, Caller
from mabos.consumers.errors import CallTimeout, FeedStopped
from mabos.consumers.lineage import HeadersRead, child_headers, waiting_agents
from mabos.consumers.responses import ResponseFeed
from mabos.kafka.settings import Settings
from mabos.producers.errors import ProducerStopped, PublishFailed
from mabos.producers.producer import TaskProducer
from mabos.producers.receipts import Receipt
from mabos.schemas.events import TaskRequest, TaskResponse
from mabos.schemas.fields import from_ms, new_task_id, to_ms
from mabos.schemas.registry import SchemaRegistry

log = structlog.stdlib.get_logger("mabos.worker")

_ANSWER_MARGIN_S = 1.0  # after the deadline: the asked agent's `timed_out`, and the asker's own end, say more
_STOPPED = "the worker is stopping: nothing can be asked or sent any more"


class Question:
    """A task for another agent, sent when somebody begins to wait for its outcome.

    ``await`` it in an async handler, call :meth:`result` in a plain one. Only one may wait, and only once. To ask
    several agents at a time, give their questions to ``asyncio.gather``.

    Attributes:
        agent_id: The agent.
        task_id: The name of the task.
    """

    __slots__ = ("_asker", "_call", "_is_begun", "_timeout_s", "agent_id", "task_id")

    def __init__(self, asker: Asker, call: Call, timeout_s: float | None) -> None:
        self.agent_id, self.task_id = call.agent_id, call.task_id
        self._asker, self._call, self._timeout_s = asker, call, timeout_s
        self._is_begun = False

    def __del__(self) -> None:
        """Tell who forgot to wait, as Python does of coroutines."""
        if not self._is_begun:
            message = f"agent {self.agent_id} was never asked: wait for the question, or use send"
            warnings.warn(message, RuntimeWarning, stacklevel=2)

    def result(self, timeout_s: float | None = None) -> TaskResponse:
        """Ask, and wait in this thread.

        Args:
            timeout_s: How long to wait, if that is less than the question says.

        Returns:
            The first terminal response, whatever its status.

        Raises:
            InvalidTask: A field is refused; nothing was sent.
            BrokerUnavailable: No broker answers; nothing was sent.
            PublishError: It could not be published; says whether it may be stored all the same.
            CallTimeout: There is no outcome yet. The task goes on, unless ``is_sent`` is False.
            FeedStopped: The worker stopped meanwhile.
            RuntimeError: It was asked before.
        """
        limit_s, begun_s = self._begin(timeout_s), time.monotonic()
        opening = self._asker.open()
        try:
            caller = opening.result(limit_s)
        except TimeoutError as error:
            raise self._too_late(limit_s) from error
        return caller.call(self._call, limit_s, begun_s)

    def __await__(self) -> Generator[Any, None, TaskResponse]:
        """As :meth:`result`, without blocking the event loop."""
        return self._ask().__await__()

    async def _ask(self) -> TaskResponse:
        limit_s, begun_s = self._begin(None), time.monotonic()
        opening = self._asker.open()
        if not opening.done():
            try:
                async with asyncio.timeout(limit_s):
                    await asyncio.wrap_future(opening)
            except TimeoutError as error:
                raise self._too_late(limit_s) from error
        return await opening.result().call_async(self._call, limit_s, begun_s)

    def _begin(self, timeout_s: float | None) -> float | None:
        """How long this wait may last, which begins now."""
        if self._is_begun:
            raise RuntimeError("a question can be waited for once: ask again, under another task_id")
        self._is_begun = True
        limits_s = [limit_s for limit_s in (timeout_s, self._timeout_s) if limit_s is not None]
        if self._call.deadline is not None:
            limits_s.append((self._call.deadline - datetime.now(UTC)).total_seconds() + _ANSWER_MARGIN_S)
        limit_s = min(limits_s) if limits_s else None
        if limit_s is not None and limit_s <= 0:
            raise self._too_late(0.0)
        return limit_s

    def _too_late(self, limit_s: float | None) -> CallTimeout:
        return CallTimeout(self.task_id, limit_s or 0.0, is_sent=False)


class Asker:
    """Asks and sends for the handlers of one worker. Safe to share between threads and an event loop.

    It opens no connection until it is first used.

    Args:
        settings: Where Kafka is.
        registry: The registry, which has told the ids of both schemas before.
    """

    def __init__(self, settings: Settings, registry: SchemaRegistry) -> None:
        self._settings, self._registry = settings, registry
        self._lock = threading.Lock()  # held for milliseconds only: an event loop may wait for it
        self._producer: TaskProducer | None = None
        self._feed: ResponseFeed | None = None
        self._opening: Future[Caller] | None = None
        self._is_stopped = False

    def ask(
        self,
        asked_by: TaskRequest,
        headers: HeadersRead,
        *,
        agent_id: str,
        payload: Mapping[str, Any],
        task_id: str | None = None,
        deadline: datetime | None = None,
        timeout_s: float | None = None,
    ) -> Question:
        """A question to another agent, to be waited for.

        Args:
            asked_by: The task in the handler's hands.
            headers: That task's headers.
            agent_id: The agent to ask.
            payload: A JSON object; ``payload["action"]`` picks the handler.
            task_id: A name for the task, one that had no outcome yet; None makes a UUIDv7.
            deadline: Aware datetime after which the answer is of no use, if that is earlier than the deadline of the
                task in hand.
            timeout_s: How long to wait, publishing included; None until a moment after the deadline, for ever if there
                is none.

        Raises:
            InvalidTask: The agent's id or the deadline is refused.
            AskRefused: That agent waits for this task, or too many do.
        """
        waiting = waiting_agents(asked_by, headers, agent_id)
        call = Call(
            agent_id=agent_id,
            payload=payload,
            task_id=new_task_id() if task_id is None else task_id,
            deadline=_earlier(deadline, asked_by),
            headers=child_headers(asked_by, headers, waiting),
        )
        return Question(self, call, timeout_s)

    def send(
        self,
        asked_by: TaskRequest,
        headers: HeadersRead,
        *,
        agent_id: str,
        payload: Mapping[str, Any],
        task_id: str | None = None,
        deadline: datetime | None = None,
    ) -> Receipt:
        """Publish a task without waiting for its outcome. Arguments as :meth:`ask`; any agent may be sent to.

        Returns:
            A receipt. Wait for it where the task must not be lost: a crash may come before the broker has it.

        Raises:
            InvalidTask: A field is refused; nothing was sent.
            PublishQueueFull: The local queue is full; nothing was sent. In a plain handler only after the setting
                ``queue_full_timeout_s``, on an event loop, which must not wait, at once.
            ProducerStopped: The worker has stopped.
        """
        with self._lock:
            producer = self._open_producer()
        return producer.send_task_request(
            agent_id=agent_id,
            payload=payload,
            task_id=task_id,
            deadline=_earlier(deadline, asked_by),
            headers=child_headers(asked_by, headers),
            queue_full_timeout_s=0.0 if _is_on_loop() else None,
        )

    def open(self) -> Future[Caller]:
        """What makes the calls, once there is a producer and a feed; all who come before share one attempt.

        The future raises BrokerUnavailable or TopicsDiffer where there can be none; the next call tries again.

        Raises:
            FeedStopped: After :meth:`stop`.
        """
        with self._lock:
            if self._is_stopped:
                raise FeedStopped(_STOPPED)
            if self._opening is None:
                self._opening = Future()
                self._opening.set_running_or_notify_cancel()  # else one cancelled waiter would cancel it for all
                threading.Thread(target=self._open, args=(self._opening,), name="mabos-asker", daemon=True).start()
            return self._opening

    def stop(self, timeout_s: float = 1.0) -> None:
        """Tell who waits, and stop once what was sent is acknowledged; what is not within the time is logged."""
        with self._lock:
            self._is_stopped = True
            producer, feed = self._producer, self._feed
        if feed is not None:
            feed.stop()
        if producer is not None:
            try:
                producer.stop(timeout_s)
            except PublishFailed as error:
                log.error("tasks that handlers sent may be lost", cause=str(error))

    def _open(self, opening: Future[Caller]) -> None:
        try:
            caller = self._make_caller()
        except BaseException as error:  # noqa: BLE001 - whoever waits must hear of it
            with self._lock:
                self._opening = None
            opening.set_exception(error)
        else:
            opening.set_result(caller)

    def _make_caller(self) -> Caller:
        with self._lock:
            producer = self._open_producer()
        feed = self._make_feed()
        feed.start()
        with self._lock:
            if not self._is_stopped:
                self._feed = feed
                return Caller(producer, feed)
        feed.stop()
        raise FeedStopped(_STOPPED)

    def _make_feed(self) -> ResponseFeed:
        return ResponseFeed(self._settings, self._registry)

    def _open_producer(self) -> TaskProducer:
        if self._is_stopped:
            raise ProducerStopped(_STOPPED)
        if self._producer is None:
            self._producer = TaskProducer(self._settings, self._registry)
        return self._producer


def _earlier(deadline: datetime | None, asked_by: TaskRequest) -> datetime | None:
    """The deadline given, or that of the task in hand where it comes before."""
    given_ms, inherited_ms = to_ms("deadline", deadline), asked_by.deadline_ms
    if inherited_ms is None or (given_ms is not None and given_ms <= inherited_ms):
        return deadline
    return from_ms(inherited_ms)


def _is_on_loop() -> bool:
    """Whether this thread runs an event loop, which waiting would hold up."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True

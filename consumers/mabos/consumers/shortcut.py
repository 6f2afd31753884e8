"""The short cut: all that an ordinary task needs, in one function or two. Whatever else goes the long way.

The long way (triage, attempt, answer) makes a value of each decision, and knows what is rare: deadlines, cancels,
repeats, suspects, retries, foreign bytes. Nearly all tasks need none of it, and a quarter of their time would go into
calls and values that say so. What stands here decides nothing by itself: it leaves a task as it found it, unless all is
ordinary, and then it does what the long way would do. The tests hold it to that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, MutableMapping
from typing import Any

import orjson
from confluent_kafka import Message

from mabos.consumers.answers import Answers
from mabos.consumers.attempts import Attempts
from mabos.consumers.current import current_task
from mabos.consumers.delivery import Delivery, Kind, Outgoing
from mabos.consumers.handlers import Handler
from mabos.consumers.jobs import Job
from mabos.consumers.lanes import Lanes
from mabos.consumers.metrics import WorkerMetrics
from mabos.consumers.task import Task
from mabos.consumers.triage import Triage
from mabos.consumers.verdicts import Run, Verdict
from mabos.schemas.errors import DecodeError, InvalidTask, RegistryUnavailable
from mabos.schemas.events import Status
from mabos.schemas.jsontext import encode_object

_COMPLETED, _RESPONSE = Status.COMPLETED, Kind.RESPONSE  # to look one up takes as long as to use it


class ShortCut:
    """Does ordinary tasks on the engine's thread: those of plain handlers at once, of async ones as asyncio tasks.

    Args:
        triage: The long way's first part.
        attempts: Its second.
        answers: Builds responses.
        delivery: Sends them.
        metrics: Counts them.
        lanes: Where tasks wait behind each other.
        in_hand: Where a task stands while its handler runs.
        carry_out: The long way's last part, for a handler that did not simply return an object.
        start: Starts an async handler; what the coroutine returns is carried out, unless it is None.
        is_serial: Whether plain handlers run here; else they run in threads, and not by the short cut.
    """

    def __init__(  # noqa: PLR0913 - all of the long way meets here
        self,
        triage: Triage,
        attempts: Attempts,
        answers: Answers,
        delivery: Delivery,
        metrics: WorkerMetrics,
        lanes: Lanes[Message],
        *,
        in_hand: MutableMapping[Job, Any],
        carry_out: Callable[[Job, Verdict], None],
        start: Callable[[Job, Coroutine[Any, Any, Verdict | None]], None],
        go_on: Callable[[], None],
        is_serial: bool,
    ) -> None:
        self._decode, self._cancels = triage.codec.decode, triage.cancels
        self._find_handler, self._surroundings = triage.agents.find_handler, triage.surroundings
        self._attempts, self._max_result_bytes = attempts, attempts.max_result_bytes
        self._complete, self._send, self._note = answers.complete, delivery.send, metrics.note_task
        self._finish, self._in_hand, self._carry_out, self._start = lanes.finish, in_hand, carry_out, start
        self._go_on, self._is_serial = go_on, is_serial
        self.is_of_use = is_serial or any(handler.is_async for handler in triage.agents.handlers)
        """Whether it can take any task."""

    def take(self, job: Job) -> bool:
        """Do a task that nobody has looked at yet; False if it must go the long way, and nothing was done."""
        ledger = job.tenure.ledger
        try:
            request = job.request = self._decode(job.message.value())
            payload = orjson.loads(request.payload_json)
        except (DecodeError, RegistryUnavailable, orjson.JSONDecodeError):
            return False
        key = request.agent_id, request.task_id
        if (
            type(payload) is not dict
            or request.deadline_ms is not None
            or job.offset < ledger.suspects_end
            or self._cancels.reasons
            or ledger.has(key)
            or job.key != request.agent_id.encode()
        ):
            return False
        handler = self._find_handler(payload.get("action"))
        if handler is None or not (self._is_serial or handler.is_async):
            return False
        job.attempt, job.action = 1, handler.action
        job.task = task = Task(job, payload, self._surroundings)
        if handler.is_async:
            self._start(job, self._run_async(job, handler, task))
        else:
            self._run_plain(job, handler, task)
        return True

    def _run_plain(self, job: Job, handler: Handler, task: Task) -> None:
        started_at_ms = self._attempts.start(job)
        self._in_hand[job] = None
        current_task.set(task)
        result: object = None
        verdict: Verdict | None = None
        try:
            result = handler.function(task if handler.model is None else handler.argument(task))
        except BaseException as error:  # noqa: BLE001 - a handler may raise anything
            verdict = self._attempts.after_error(job, Run(handler, task, None), error, started_at_ms)
        finally:
            current_task.set(None)
            del self._in_hand[job]
        if verdict is None:
            if type(result) is dict and self._answer(job, result, started_at_ms):
                return
            verdict = self._attempts.conclude(Run(handler, task, None), result, started_at_ms)
        self._carry_out(job, verdict)

    async def _run_async(self, job: Job, handler: Handler, task: Task) -> Verdict | None:
        """Run a handler; None if it is answered.

        Raises:
            asyncio.CancelledError: The engine ended it.
        """
        started_at_ms = self._attempts.start(job)
        current_task.set(task)
        try:
            found: Any = handler.function(task if handler.model is None else handler.argument(task))
            result = await found
        except BaseException as error:  # noqa: BLE001 - a handler may raise anything
            return self._attempts.after_async_error(job, Run(handler, task, None), error, started_at_ms)
        current_task.set(None)
        if type(result) is dict and self._answer(job, result, started_at_ms):
            del self._in_hand[job]
            self._go_on()
            return None
        return self._attempts.complete(result, started_at_ms)

    def _answer(self, job: Job, result: dict[str, Any], started_at_ms: int) -> bool:
        """Answer a task with what its handler returned; False, and nothing is done, if it is not as simple as that."""
        if job.tenure.is_over:
            return False
        try:
            text = encode_object("result", result, max_bytes=self._max_result_bytes)
        except InvalidTask:
            return False  # the long way says what is wrong with it
        request = job.request
        self._note(job.action, _COMPLETED, job.waited_s, time.monotonic() - job.started_s)
        job.task = None
        job.unstored = 1
        job.tenure.ledger.answer((request.agent_id, request.task_id))
        self._send(Outgoing(self._complete(job, text, started_at_ms), job, _RESPONSE))
        self._finish(job.key)
        return True

"""One attempt at a task: find the handler, run it, and say what came of it as a value."""

from __future__ import annotations

import asyncio
import inspect
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from mabos.consumers.agents import AgentGroup
from mabos.consumers.answers import shorten
from mabos.consumers.errors import Reject
from mabos.consumers.handlers import Handler, encode_result
from mabos.consumers.jobs import Job
from mabos.consumers.retry import GiveUp
from mabos.consumers.task import Task
from mabos.consumers.threads import HandlerThreads
from mabos.schemas.errors import InvalidTask
from mabos.schemas.events import Status, TaskError


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The attempt ended the task."""

    status: Status
    """Its outcome."""
    result_json: str = "{}"
    """What the handler returned."""
    error: TaskError | None = None
    """Why it did not complete."""
    started_at_ms: int | None = None
    """When the attempt began; None when the handler did not run."""
    is_dead: bool = False
    """Whether the task belongs among the dead letters, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TryAgain:
    """The attempt failed, and there shall be another."""

    after_s: float
    """How long to wait."""
    cause: str
    """Why it failed, for the log."""


class Attempts:
    """Runs attempts.

    Args:
        agents: Which function does what.
        topic: The requests topic, for positions.
        max_result_bytes: The most bytes a result's JSON may take.
        clock: Wall-clock seconds, for deadlines.
    """

    def __init__(
        self,
        agents: AgentGroup,
        *,
        topic: str,
        max_result_bytes: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._agents = agents
        self._threads = HandlerThreads()
        self._topic, self._max_result_bytes, self._clock = topic, max_result_bytes, clock

    async def run(self, job: Job) -> Answered | TryAgain:
        """Make one attempt; ``job.attempt`` counts it if the handler runs."""
        if job.misplaced:
            return _rejected("bad_key", job.misplaced, is_dead=True)
        try:
            payload = job.request.payload
        except InvalidTask as error:
            return _rejected("invalid_payload", str(error))
        handler = self._agents.find_handler(payload.get("action"))
        if handler is None:
            known = ", ".join(self._agents.actions)
            return _rejected("unknown_action", f"payload.action: no handler takes it, there are: {known}")
        left_s = self._time_left(job)
        if left_s is not None and left_s <= 0:
            return Answered(status=Status.EXPIRED, error=TaskError(code="expired", message="the deadline had passed"))
        job.attempt += 1
        task = Task(job.request, payload, job.position(self._topic), job.attempt, job.headers)
        return await self._call(handler, job, task, left_s)

    def close(self) -> None:
        """Take no more plain handlers; those that run go on, in threads that nobody waits for."""
        self._threads.close()

    async def _call(self, handler: Handler, job: Job, task: Task, left_s: float | None) -> Answered | TryAgain:
        started_at_ms = round(self._clock() * 1000)
        job.first_started_s = job.first_started_s or time.monotonic()
        timer = asyncio.timeout(None)
        try:
            argument = handler.argument(task)
            async with timer:
                result = await self._result(handler, argument, timer, left_s)
        except Reject as error:
            return _rejected("rejected", str(error), started_at_ms=started_at_ms)
        except BaseException as error:  # a handler may raise anything: this is the one place that takes it
            if timer.expired():
                timed_out = TaskError(code="timed_out", message="the deadline passed while the handler ran")
                return Answered(status=Status.TIMED_OUT, error=timed_out, started_at_ms=started_at_ms)
            if isinstance(error, GeneratorExit) or _is_cancelled():
                raise asyncio.CancelledError from error
            return self._after_failure(handler, job, error, started_at_ms)
        try:
            text = encode_result(result, max_bytes=self._max_result_bytes)
        except InvalidTask as error:
            return _failed("bad_result", f"the handler's {error}", started_at_ms)
        return Answered(status=Status.COMPLETED, result_json=text, started_at_ms=started_at_ms)

    async def _result(self, handler: Handler, argument: object, timer: asyncio.Timeout, left_s: float | None) -> object:
        """What the handler returns. The timer is set only for what can be stopped from outside: a thread cannot."""
        deadline_s = None if left_s is None else asyncio.get_running_loop().time() + left_s
        if handler.is_async:
            found: object = handler.function(argument)
        else:
            found, error = await self._threads.run(handler.function, argument)
            if error is not None:
                raise error
        if not inspect.isawaitable(found):
            return found
        timer.reschedule(deadline_s)
        return await found

    def _after_failure(
        self, handler: Handler, job: Job, error: BaseException, started_at_ms: int
    ) -> Answered | TryAgain:
        elapsed_s = time.monotonic() - job.first_started_s
        failure = error if isinstance(error, Exception) else HandlerExit(f"the handler raised {error!r}")
        decision = handler.retry.decide(failure, attempt=job.attempt, elapsed_s=elapsed_s)
        cause = shorten("".join(traceback.format_exception_only(failure)).strip())
        if isinstance(decision, GiveUp):
            return _failed("handler_failed", f"{cause} ({decision.reason})", started_at_ms)
        return TryAgain(after_s=decision.after_s, cause=cause)

    def _time_left(self, job: Job) -> float | None:
        deadline_ms = job.request.deadline_ms
        return None if deadline_ms is None else deadline_ms / 1000 - self._clock()


class HandlerExit(Exception):
    """A handler raised what ends programs, such as ``sys.exit`` does: an error of that handler, not of the worker."""


def _is_cancelled() -> bool:
    """Whether the engine wants this attempt to end; a handler may also meet a CancelledError of its own making."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _rejected(code: str, message: str, *, started_at_ms: int | None = None, is_dead: bool = False) -> Answered:
    error = TaskError(code=code, message=shorten(message))
    return Answered(status=Status.REJECTED, error=error, started_at_ms=started_at_ms, is_dead=is_dead)


def _failed(code: str, message: str, started_at_ms: int) -> Answered:
    error = TaskError(code=code, message=shorten(message), retryable=True)
    return Answered(status=Status.FAILED, error=error, started_at_ms=started_at_ms, is_dead=True)

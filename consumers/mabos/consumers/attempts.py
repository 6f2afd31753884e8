"""One attempt at a task: run its handler, and say what came of it as a value."""

from __future__ import annotations

import asyncio
import inspect
import traceback
from typing import Any

import structlog

from mabos.consumers.agents import AgentGroup
from mabos.consumers.current import current_task
from mabos.consumers.errors import AskRefused, Reject, TaskCancelled
from mabos.consumers.handlers import encode_result
from mabos.consumers.jobs import Job, names_of
from mabos.consumers.retry import GiveUp, Retry
from mabos.consumers.triage import Clocks
from mabos.consumers.verdicts import Answered, Awaiting, Run, TryAgain, cancel, fail, fail_by, reject, shorten
from mabos.schemas.errors import InvalidTask
from mabos.schemas.events import Status, TaskError
from mabos.schemas.jsontext import encode_object

log = structlog.stdlib.get_logger("mabos.worker")

_COMPLETED = Status.COMPLETED  # to look it up takes as long as to use it


class Attempts:
    """Runs attempts.

    Args:
        agents: Whose handlers they are, for what is told when one fails.
        max_result_bytes: The most bytes a result's JSON may take.
        clocks: Where time comes from.
    """

    def __init__(self, agents: AgentGroup, *, max_result_bytes: int, clocks: Clocks | None = None) -> None:
        self._agents, self.max_result_bytes = agents, max_result_bytes
        clocks = clocks or Clocks()
        self._wall_s, self._monotonic_s = clocks.wall_s, clocks.monotonic_s

    def run_plain(self, job: Job, run: Run) -> Answered | TryAgain | Awaiting:
        """Run a plain handler in this thread."""
        handler, task = run.handler, run.task
        started_at_ms = self.start(job)
        current_task.set(task)
        try:
            result = handler.function(task if handler.model is None else handler.argument(task))
        except BaseException as error:  # noqa: BLE001 - a handler may raise anything: it ends here
            return self.after_error(job, run, error, started_at_ms)
        finally:
            current_task.set(None)
        return self.conclude(run, result, started_at_ms)

    def conclude(self, run: Run, result: object, started_at_ms: int) -> Answered | Awaiting:
        """What comes of what a plain handler returned."""
        if type(result) is not dict and inspect.isawaitable(result):
            return Awaiting(run, result, started_at_ms)
        return self.complete(result, started_at_ms)

    async def run_async(self, job: Job, run: Run, awaiting: Awaiting | None = None) -> Answered | TryAgain:
        """Run an async handler on this event loop, until the task's deadline; it is the only coroutine round it.

        Args:
            job: The job.
            run: Its handler.
            awaiting: What a plain handler returned, if it is that which must be awaited.

        Raises:
            asyncio.CancelledError: The engine ended it.
        """
        handler, task, left_s = run.handler, run.task, run.left_s
        started_at_ms = self.start(job) if awaiting is None else awaiting.started_at_ms
        current_task.set(task)
        timer = None
        try:
            found: Any = handler.function(handler.argument(task)) if awaiting is None else awaiting.found
            if left_s is None:
                result = await found
            else:
                async with asyncio.timeout(left_s) as timer:
                    result = await found
        except BaseException as error:  # noqa: BLE001 - a handler may raise anything
            if timer is not None and timer.expired():
                timed_out = TaskError(code="timed_out", message="the deadline passed while the handler ran")
                return Answered(Status.TIMED_OUT, error=timed_out, started_at_ms=started_at_ms)
            return self.after_async_error(job, run, error, started_at_ms)
        return self.complete(result, started_at_ms)

    def start(self, job: Job) -> int:
        """Note the times at which an attempt begins; returns the wall clock's in ms."""
        job.started_s = now_s = self._monotonic_s()
        if not job.first_started_s:
            job.first_started_s = now_s
        now_ms = int(self._wall_s() * 1000)
        job.waited_s = (now_ms - job.message.timestamp()[1]) / 1000
        return now_ms

    def complete(self, result: object, started_at_ms: int) -> Answered:
        """What comes of a result that is there."""
        try:
            if type(result) is dict:  # nearly always: to ask whether it is a model would cost as much as to write it
                text = encode_object("result", result, max_bytes=self.max_result_bytes)
            else:
                text = encode_result(result, max_bytes=self.max_result_bytes)
        except InvalidTask as error:
            return fail("bad_result", f"the handler's {error}", started_at_ms)
        return Answered(_COMPLETED, text, None, started_at_ms)

    def after_async_error(self, job: Job, run: Run, error: BaseException, started_at_ms: int) -> Answered | TryAgain:
        """As :meth:`after_error`, of an async handler.

        Raises:
            asyncio.CancelledError: The engine ended it.
        """
        if job.cancel_reason is None and _is_cancelled():
            raise asyncio.CancelledError from error
        return self.after_error(job, run, error, started_at_ms)

    def after_error(self, job: Job, run: Run, error: BaseException, started_at_ms: int) -> Answered | TryAgain:
        """What comes of what a handler raised."""
        if isinstance(error, Reject):
            return reject("rejected", str(error), started_at_ms=started_at_ms)
        if isinstance(error, TaskCancelled) or job.cancel_reason is not None:
            return cancel(job.cancel_reason or "", started_at_ms)
        failure = error if isinstance(error, Exception) else HandlerExit(f"the handler raised {error!r}")
        elapsed_s = self._monotonic_s() - job.first_started_s
        if isinstance(error, AskRefused):
            decision: Retry | GiveUp = GiveUp(reason="asking again would be refused again")
        else:
            decision = run.handler.retry.decide(failure, attempt=job.attempt, elapsed_s=elapsed_s)
        try:
            self._agents.tell_error(run.task, failure, decision)
        except Exception:  # it is the user's function
            log.exception("the on_error function failed", **names_of(job))
        cause = shorten("".join(traceback.format_exception_only(failure)).strip())
        if isinstance(decision, GiveUp):
            return fail_by(error, f"{cause} ({decision.reason})", started_at_ms)
        return TryAgain(decision.after_s, cause)


class HandlerExit(Exception):
    """A handler raised what ends programs, such as ``sys.exit`` does: an error of that handler, not of the worker."""


def _is_cancelled() -> bool:
    """Whether the engine wants this attempt to end; a handler may also meet a CancelledError of its own making."""
    try:
        task = asyncio.current_task()
    except RuntimeError:  # the loop is gone, and what was left behind on it is thrown away
        return True
    return task is not None and task.cancelling() > 0

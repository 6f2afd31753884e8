"""The engine runs jobs: lanes and handlers on one event loop, answers to the outbox.

One thread owns everything here, the one that runs the loop. The reader hands over batches and is told, through
``on_done``, of each job whose answer the broker has acknowledged. Nothing is locked, because nothing is shared.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

import structlog

from mabos.consumers.answers import Answers, shrink_letter
from mabos.consumers.attempts import Answered, Attempts, TryAgain
from mabos.consumers.errors import WorkerFailed
from mabos.consumers.jobs import Job
from mabos.consumers.lanes import Lanes
from mabos.consumers.outbox import Outbox, Outgoing
from mabos.schemas.events import Status, TaskError

T = TypeVar("T")
log = structlog.stdlib.get_logger("mabos.worker")

_CANCEL_TIMEOUT_S = 5.0  # a handler that takes no notice of its cancellation is left behind after that


class Engine:
    """Runs jobs, each agent's one at a time.

    Args:
        attempts: Runs the handlers.
        answers: Builds responses and dead letters.
        outbox: Sends them.
        concurrency: The most jobs in hand at a time.
        on_done: Called with a job once the broker has its answer; on the publisher's thread.
        on_failure: Called once with an error that only a restart can cure; on any thread.
    """

    def __init__(
        self,
        attempts: Attempts,
        answers: Answers,
        outbox: Outbox,
        *,
        concurrency: int,
        on_done: Callable[[Job], None],
        on_failure: Callable[[WorkerFailed], None],
    ) -> None:
        self._attempts, self._answers, self._outbox = attempts, answers, outbox
        self._on_done, self._on_failure = on_done, on_failure
        self._concurrency = concurrency
        self._lanes: Lanes[Job] = Lanes()
        self._again: deque[Job] = deque()  # waited for another attempt, still first of their lanes
        self._pauses: dict[Job, asyncio.TimerHandle] = {}
        self._in_hand: dict[Job, asyncio.Task[None]] = {}
        self._highest_begun: dict[int, int] = {}  # offset by partition
        self._stopping = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="mabos-engine", daemon=True)

    def start(self) -> None:
        """Start the loop's thread."""
        self._thread.start()

    def submit(self, jobs: list[Job]) -> None:
        """Hand over jobs, in the order they were read; from any thread."""
        self._loop.call_soon_threadsafe(self._accept, jobs)

    def hand_back(self, partitions: set[int]) -> list[Job]:
        """Forget the jobs of some partitions that come after all that were begun; returns them. From any other thread.

        Those before stay and go on. Committed is the lowest unfinished offset, so if one of them were handed back, all
        that is finished above it would run again at the next owner.
        """
        return self._ask(self._drop(partitions, self._highest_begun))

    def drop(self, partitions: set[int]) -> list[Job]:
        """Forget the jobs of some partitions that no handler has in hand; returns them. From any other thread."""
        return self._ask(self._drop(partitions, {}))

    def cancel(self, partitions: set[int]) -> None:
        """Stop the handlers of some partitions where that is possible; they are not answered. From any other thread."""
        self._ask(self._cancel(partitions))

    def stop(self) -> None:
        """End the loop's thread; what is in hand is cancelled, not answered."""
        self._stopping = True
        if self._thread.is_alive():
            self._ask(self._cancel(None))
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._attempts.close()

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            while not self._run_until_exit():
                log.warning("a task that a handler began called sys.exit, which ends nothing but that task")
        finally:
            self._loop.close()

    def _run_until_exit(self) -> bool:
        """Run the loop; True once it was stopped, False when an exit escaped from an asyncio task, as they do."""
        try:
            self._loop.run_forever()
        except (SystemExit, KeyboardInterrupt):
            return False
        return True

    def _ask(self, question: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(question, self._loop).result()

    def _accept(self, jobs: list[Job]) -> None:
        for job in jobs:
            self._lanes.add(job.request.agent_id, job)
        self._dispatch()

    def _dispatch(self) -> None:
        while len(self._in_hand) < self._concurrency and not self._stopping:
            job = self._again.popleft() if self._again else self._lanes.take()
            if job is None:
                return
            self._highest_begun[job.partition] = max(job.offset, self._highest_begun.get(job.partition, -1))
            task = self._in_hand[job] = self._loop.create_task(self._run(job))
            task.add_done_callback(self._on_ended)

    async def _run(self, job: Job) -> None:
        finished = True
        try:
            what = await self._attempts.run(job)
            if isinstance(what, TryAgain):
                finished = False
                self._pause(job, what)
            else:
                self._answer(job, what)
        finally:
            del self._in_hand[job]
            if finished:
                self._lanes.finish(job.request.agent_id)
            self._dispatch()

    def _on_ended(self, task: asyncio.Task[None]) -> None:
        """No error is expected here; one that passed in silence would leave a task unanswered for ever."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("answering failed", exc_info=error)
            self._on_failure(WorkerFailed(f"a task cannot be answered: {error!r}"))

    def _pause(self, job: Job, what: TryAgain) -> None:
        log.info("task failed, trying again", **_names(job), cause=what.cause, after_s=round(what.after_s, 3))
        self._pauses[job] = self._loop.call_later(what.after_s, self._resume, job)

    def _resume(self, job: Job) -> None:
        del self._pauses[job]
        self._again.append(job)
        self._dispatch()

    def _answer(self, job: Job, what: Answered) -> None:
        dead = what.error if what.is_dead else None
        on_stored = _after(1 if dead is None else 2, partial(self._on_done, job))
        if dead is not None:
            log.warning("task given up", **_names(job), status=what.status.value, cause=dead.message)
            letter = self._answers.bury(job, dead)
            self._outbox.send(Outgoing(record=letter, on_stored=on_stored, smaller=partial(shrink_letter, letter)))
        response = self._answers.respond(
            job, what.status, result_json=what.result_json, error=what.error, started_at_ms=what.started_at_ms
        )
        too_large = TaskError(code="bad_result", message="the broker refused a response of this size")
        smaller = partial(self._answers.respond, job, Status.FAILED, error=too_large)
        self._outbox.send(Outgoing(record=response, on_stored=on_stored, smaller=smaller))

    async def _drop(self, partitions: set[int], floor: Mapping[int, int]) -> list[Job]:
        def is_unwanted(job: Job) -> bool:
            return job.partition in partitions and job.offset >= floor.get(job.partition, 0)

        dropped = self._lanes.drop(is_unwanted)
        paused = [job for job in (*self._pauses, *self._again) if is_unwanted(job)]
        for job in paused:
            pause = self._pauses.pop(job, None)
            if pause is not None:
                pause.cancel()
            else:
                self._again.remove(job)
            self._lanes.finish(job.request.agent_id)
        if not floor:
            for partition in partitions:
                self._highest_begun.pop(partition, None)
        self._dispatch()
        return dropped + paused

    async def _cancel(self, partitions: set[int] | None) -> None:
        tasks = [task for job, task in self._in_hand.items() if partitions is None or job.partition in partitions]
        for task in tasks:
            task.cancel()
        if tasks:
            _, left = await asyncio.wait(tasks, timeout=_CANCEL_TIMEOUT_S)
            if left:
                log.warning("handlers did not heed their cancellation and are left behind", count=len(left))


def _after(count: int, call: Callable[[], None]) -> Callable[[], None]:
    """A function that makes the call when it is itself called for the last of so many times."""
    left = iter(range(count - 1, -1, -1))

    def note() -> None:
        if next(left) == 0:
            call()

    return note


def _names(job: Job) -> dict[str, object]:
    return {
        "task_id": job.request.task_id,
        "agent_id": job.request.agent_id,
        "partition": job.partition,
        "offset": job.offset,
        "attempt": job.attempt,
    }

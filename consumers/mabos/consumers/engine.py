"""The engine runs jobs: lanes and handlers on one event loop, answers to the publisher.

One thread owns everything here, the one that runs the loop. The reader hands over batches and is told, through
``on_done``, of each job whose answer the broker has acknowledged. Nothing is locked, because nothing is shared.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

import structlog
from confluent_kafka import KafkaError, Message

from mabos.consumers.answers import Answers
from mabos.consumers.attempts import Answered, Attempts, TryAgain
from mabos.consumers.errors import WorkerFailed
from mabos.consumers.jobs import Job
from mabos.consumers.lanes import Lanes
from mabos.producers.errors import PublishError
from mabos.producers.publisher import Publisher, Record
from mabos.producers.receipts import Receipt, explain_failure
from mabos.schemas.events import Status, TaskError

T = TypeVar("T")
log = structlog.stdlib.get_logger("mabos.worker")


class Engine:
    """Runs jobs, each agent's one at a time.

    Args:
        attempts: Runs the handlers.
        answers: Builds responses and dead letters.
        publisher: Sends them.
        concurrency: The most jobs in hand at a time.
        on_done: Called with a job once the broker has its answer; on the publisher's thread.
        on_failure: Called once with an error that only a restart can cure; on any thread.
    """

    def __init__(
        self,
        attempts: Attempts,
        answers: Answers,
        publisher: Publisher,
        *,
        concurrency: int,
        on_done: Callable[[Job], None],
        on_failure: Callable[[WorkerFailed], None],
    ) -> None:
        self._attempts, self._answers, self._publisher = attempts, answers, publisher
        self._on_done, self._on_failure = on_done, on_failure
        self._concurrency = concurrency
        self._lanes: Lanes[Job] = Lanes()
        self._again: deque[Job] = deque()  # waited for another attempt, still first of their lanes
        self._pauses: dict[Job, asyncio.TimerHandle] = {}
        self._in_hand: dict[Job, asyncio.Task[None]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="mabos-engine", daemon=True)

    def start(self) -> None:
        """Start the loop's thread."""
        self._thread.start()

    def submit(self, jobs: list[Job]) -> None:
        """Hand over jobs, in the order they were read; from any thread."""
        self._loop.call_soon_threadsafe(self._accept, jobs)

    def drop(self, partitions: set[int]) -> list[Job]:
        """Forget the jobs of some partitions that no handler has in hand; returns them. From any other thread."""
        return self._ask(self._drop(partitions))

    def cancel(self, partitions: set[int]) -> None:
        """Stop the handlers of some partitions where that is possible; they are not answered. From any other thread."""
        self._ask(self._cancel(partitions))

    def stop(self) -> None:
        """End the loop's thread; what is in hand is cancelled, not answered."""
        if self._thread.is_alive():
            self._ask(self._cancel(None))
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._attempts.close()

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def _ask(self, question: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(question, self._loop).result()

    def _accept(self, jobs: list[Job]) -> None:
        for job in jobs:
            self._lanes.add(job.request.agent_id, job)
        self._dispatch()

    def _dispatch(self) -> None:
        while len(self._in_hand) < self._concurrency:
            job = self._again.popleft() if self._again else self._lanes.take()
            if job is None:
                return
            self._in_hand[job] = self._loop.create_task(self._run(job))

    async def _run(self, job: Job) -> None:
        finished = True
        try:
            what = await self._attempts.run(job)
            if isinstance(what, TryAgain):
                finished = False
                self._pause(job, what)
            else:
                await self._answer(job, what)
        except PublishError as error:  # the answer cannot be sent: only another producer could
            self._on_failure(WorkerFailed(f"{job.request.task_id} cannot be answered: {error}"))
        finally:
            del self._in_hand[job]
            if finished:
                self._lanes.finish(job.request.agent_id)
            self._dispatch()

    def _pause(self, job: Job, what: TryAgain) -> None:
        log.info("task failed, trying again", **_names(job), cause=what.cause, after_s=round(what.after_s, 3))
        self._pauses[job] = self._loop.call_later(what.after_s, self._resume, job)

    def _resume(self, job: Job) -> None:
        del self._pauses[job]
        self._again.append(job)
        self._dispatch()

    async def _answer(self, job: Job, what: Answered) -> None:
        if what.is_dead and what.error is not None:
            log.warning("task given up", **_names(job), status=what.status.value, cause=what.error.message)
            await self._bury(job, what.error)
        response = self._answers.respond(
            job, what.status, result_json=what.result_json, error=what.error, started_at_ms=what.started_at_ms
        )
        await self._publisher.publish_async(response, partial(self._on_ack, job, response))

    async def _bury(self, job: Job, error: TaskError) -> None:
        receipt = Receipt(job.request.task_id, self._publisher)
        await self._publisher.publish_async(self._answers.bury(job, error), receipt.on_delivery)
        await receipt

    def _on_ack(self, job: Job, response: Record, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self._on_done(job)
            return
        failure = explain_failure(error, message.topic())
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            too_large = TaskError(code="bad_result", message="the broker refused a response of this size")
            response = self._answers.respond(job, Status.FAILED, error=too_large)
        elif not failure.may_be_stored:
            self._on_failure(WorkerFailed(f"{job.request.task_id} cannot be answered: {failure}"))
            return
        log.warning("response not acknowledged, sending again", **_names(job), cause=str(failure))
        asyncio.run_coroutine_threadsafe(self._send_again(job, response), self._loop)

    async def _send_again(self, job: Job, response: Record) -> None:
        try:
            await self._publisher.publish_async(response, partial(self._on_ack, job, response))
        except PublishError as error:
            self._on_failure(WorkerFailed(f"{job.request.task_id} cannot be answered: {error}"))

    async def _drop(self, partitions: set[int]) -> list[Job]:
        dropped = self._lanes.drop(lambda job: job.partition in partitions)
        paused = [job for job in (*self._pauses, *self._again) if job.partition in partitions]
        for job in paused:
            pause = self._pauses.pop(job, None)
            if pause is not None:
                pause.cancel()
            else:
                self._again.remove(job)
            self._lanes.finish(job.request.agent_id)
        self._dispatch()
        return dropped + paused

    async def _cancel(self, partitions: set[int] | None) -> None:
        tasks = [task for job, task in self._in_hand.items() if partitions is None or job.partition in partitions]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _names(job: Job) -> dict[str, object]:
    return {
        "task_id": job.request.task_id,
        "agent_id": job.request.agent_id,
        "partition": job.partition,
        "offset": job.offset,
        "attempt": job.attempt,
    }

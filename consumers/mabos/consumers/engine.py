"""The engine runs jobs: lanes and handlers on one event loop, answers to the delivery.

One thread owns everything here, the one that runs the loop. The reader hands over batches of records, and tells of
partitions that come and go; both without waiting. Nothing is locked, because nothing is shared but the flags of a
:class:`mabos.consumers.tenure.Tenure`.

With a concurrency of 1 a plain handler runs right here, task after task, with no hand-over between threads and no
asyncio task. Else plain handlers run in threads, and async ones on this loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import structlog
from confluent_kafka import Message

from mabos.consumers.answers import Answers
from mabos.consumers.appetite import Supply
from mabos.consumers.attempts import Attempts
from mabos.consumers.comebacks import Comebacks
from mabos.consumers.delivery import Delivery, Kind, Outgoing
from mabos.consumers.errors import WorkerFailed
from mabos.consumers.jobs import Job, names_of
from mabos.consumers.lanes import Lanes
from mabos.consumers.loops import LoopThread
from mabos.consumers.metrics import WorkerMetrics
from mabos.consumers.shortcut import ShortCut
from mabos.consumers.tenure import Tenure
from mabos.consumers.threads import HandlerThreads
from mabos.consumers.triage import Triage
from mabos.consumers.verdicts import Answered, Awaiting, Bury, Mark, Raised, Run, Skip, TryAgain, Verdict

log = structlog.stdlib.get_logger("mabos.worker")

_STOP_TIMEOUT_S = 5.0  # a handler that takes no notice of its cancellation is left behind after that
_SLICE_S = 0.01  # after so long the loop gets its turn, for timers and what the reader has to say
_SHORT_SLICE_S = 0.0005  # with many in hand, those just begun must run soon, or all wait in step (docs/decisions/006)
_FROZEN_PAUSE_S = 0.1
FROZEN_S = 5.0  # below Kafka's shortest session: a reader that was silent for so long may have lost its partitions

_RESPONSE = Kind.RESPONSE  # to look it up takes as long as to use it


class Engine:
    """Runs jobs, each agent's one at a time.

    Args:
        triage: Says what shall be done with a job.
        attempts: Runs the handlers.
        answers: Builds responses and dead letters.
        delivery: Sends them.
        metrics: Counts them.
        marks: Sends marks: never part of a transaction, for they must outlive the worker.
        concurrency: The most jobs in hand at a time.
        on_failure: Called once with an error that only a restart can cure; on any thread.
    """

    def __init__(  # noqa: PLR0913 - it is where all of these meet
        self,
        triage: Triage,
        attempts: Attempts,
        answers: Answers,
        delivery: Delivery,
        metrics: WorkerMetrics,
        *,
        marks: Callable[[Outgoing], None],
        concurrency: int,
        on_failure: Callable[[WorkerFailed], None],
    ) -> None:
        self._triage, self._attempts, self._answers, self._delivery = triage, attempts, answers, delivery
        self._metrics, self._marks, self._concurrency, self._on_failure = metrics, marks, concurrency, on_failure
        self._tenures: dict[int, Tenure] = {}
        self.lanes: Lanes[Message] = Lanes()
        self._comebacks = Comebacks()
        self.in_hand: dict[Job, asyncio.Task[Verdict | None] | None] = {}
        self._solo: Job | None = None  # runs alone, or will as soon as nothing else is in hand
        self._storing: set[Job] = set()  # suspects that are answered; what comes next may take their answers with it
        self._slice_s = _SLICE_S if concurrency == 1 else _SHORT_SLICE_S
        self._reports_s = 0.0  # when it is time to take reports
        self._is_due = False  # whether the loop has been told to dispatch
        self._threads = HandlerThreads()
        self._is_stopping = False
        self.reader_seen_s = time.monotonic()
        """When the reader last was seen between two polls; it writes this itself."""
        self.seen_s = self.reader_seen_s
        """When this thread last looked for a task that may begin."""
        self.supply = Supply()
        """What the reader has for it."""
        self._shortcut = ShortCut(
            *(triage, attempts, answers, delivery, metrics, self.lanes),
            in_hand=self.in_hand,
            carry_out=self._carry_out,
            start=self._start_task,
            go_on=self._dispatch_soon,
            is_serial=concurrency == 1,
        )
        self._thread = LoopThread("mabos-engine")
        self._loop, self._call = self._thread.loop, self._thread.call

    # What the reader calls.

    def start(self) -> None:
        """Start the loop's thread."""
        self._thread.start()

    def open(self, tenure: Tenure) -> None:
        """A partition's ledger is known: what is submitted of it from now on may run."""
        self._call(partial(self._tenures.__setitem__, tenure.partition, tenure))

    def submit(self, messages: list[Message]) -> None:
        """Hand over records of open partitions, in the order they were read."""
        self.supply.submitted += len(messages)
        self._call(partial(self._accept, messages))

    def expect(self, *, is_more: bool) -> None:
        """Say whether more records are there; once there are none, answers that linger go out."""
        if self.supply.turn(is_more=is_more):
            self._call(self._dispatch)

    def release(self, tenures: list[Tenure]) -> None:
        """Begin nothing more of some partitions; what was not begun is counted in ``dropped`` of each."""
        for tenure in tenures:
            tenure.is_released = True
        self._call(self._drop)

    def close(self, tenures: list[Tenure]) -> None:
        """Some partitions are gone: forget what waits, and cancel what runs; it is not answered."""
        for tenure in tenures:
            tenure.is_over = True
        self._call(self._drop)
        self._call(partial(self._cut_off, tenures))

    def cancel(self, agent_id: str, task_id: str, reason: str) -> None:
        """Cancel a task if it is in hand; one that waits is met by the triage. From any thread."""
        for job in list(self.in_hand):
            task = job.task
            if task is not None and (task.agent_id, task.task_id) == (agent_id, task_id):
                job.cancel_reason = reason
                task.cancelled = True
                self._call(partial(self._cancel_async, job))

    def stop(self) -> None:
        """End the loop's thread; what is in hand is cancelled where that is possible, and not answered."""
        self._is_stopping = True
        self._thread.stop(lambda: [task for task in self.in_hand.values() if task is not None], _STOP_TIMEOUT_S)
        self._threads.close()

    def is_stuck(self, after_s: float) -> bool:
        """Whether tasks could begin, and none was looked at for so long. From any thread."""
        may_begin = self.lanes.ready > 0 and len(self.in_hand) < self._concurrency
        return may_begin and time.monotonic() - self.seen_s > after_s

    # On the loop.

    def _accept(self, messages: list[Message]) -> None:
        add = self.lanes.add
        for message in messages:
            add(message.key(), message)
        self.supply.accepted += len(messages)
        self._dispatch()

    def _dispatch(self) -> None:
        """Begin what may begin, for a slice of time."""
        self._is_due = False
        now_s = time.monotonic()
        until_s = now_s + self._slice_s
        if now_s >= self._reports_s:
            self._reports_s = now_s + _SLICE_S
            self._delivery.pause()
        again, in_hand = self._comebacks.ready, self.in_hand
        while len(in_hand) < self._concurrency and not self._is_stopping:
            if self._solo is not None and self._is_busy_with(self._solo):
                return
            self.seen_s = now_s = time.monotonic()
            if now_s > until_s:
                self._dispatch_soon()
                return
            if now_s - self.reader_seen_s > FROZEN_S:  # as by SIGSTOP: first the reader looks what is still ours
                self._wait_for_reader()
                return
            if again:
                job = again.popleft()
            else:
                message = self.lanes.take()
                if message is None:
                    if not in_hand and not self.supply.is_more:
                        self._delivery.hurry()
                    return
                job = Job(message, self._tenures[message.partition()])  # type: ignore[index]  # it has a place
            tenure = job.tenure
            if tenure.is_released or tenure.is_over:
                tenure.dropped += 1
                self._finish(job)
            else:
                self._begin(job)

    def _is_busy_with(self, solo: Job) -> bool:
        """Whether a task that runs alone waits for its place, is marked, runs, or is answered and not stored yet."""
        return bool(self.in_hand) or self._comebacks.is_waiting(solo) or solo in self._storing

    def _wait_for_reader(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._loop.call_later(_FROZEN_PAUSE_S, self._dispatch)

    def _begin(self, job: Job) -> None:
        try:
            if not job.attempt and self._shortcut.is_of_use and self._shortcut.take(job):
                return
            verdict = self._triage.look(job)
        except Exception as error:  # noqa: BLE001 - none is expected; in silence it would leave a task unanswered
            self._give_up(error)
            return
        is_alone = job.deaths > 1 and isinstance(verdict, Mark | Run)
        if is_alone and self._must_wait_alone(job):
            job.attempt -= isinstance(verdict, Run)
            self._comebacks.ready.appendleft(job)
        elif not isinstance(verdict, Run):
            self._carry_out(job, verdict)
        elif verdict.handler.is_async:
            self._start_task(job, self._attempts.run_async(job, verdict))
        elif self._concurrency == 1:
            self.in_hand[job] = None
            found = self._attempts.run_plain(job, verdict)
            del self.in_hand[job]
            self._carry_out(job, found)
        else:
            self.in_hand[job] = None
            self._threads.run(partial(self._run_in_thread, job, verdict))

    def _must_wait_alone(self, job: Job) -> bool:
        """A suspect of more than one death runs alone: if the worker goes down again, there is no doubt about it.

        It is marked alone, too: a mark without an outcome is a death, so none may stand there for who only waited.
        """
        self._solo = job
        return bool(self.in_hand)

    def _run_in_thread(self, job: Job, run: Run) -> None:
        try:
            self._call(partial(self._after, job, self._attempts.run_plain(job, run)))
        except Exception as error:  # noqa: BLE001 - as in _begin
            self._give_up(error)

    def _start_task(self, job: Job, attempt: Coroutine[Any, Any, Verdict | None]) -> None:
        task = self.in_hand[job] = self._loop.create_task(attempt)
        task.add_done_callback(partial(self._after_task, job))

    def _after_task(self, job: Job, task: asyncio.Task[Verdict | None]) -> None:
        if task.cancelled():  # the partition is gone, or the worker stops
            del self.in_hand[job]
            self._finish(job)
            self._dispatch()
        elif (error := task.exception()) is not None:
            self._give_up(error)
        elif (verdict := task.result()) is not None:  # else the short cut has done all that follows
            self._after(job, verdict)

    def _after(self, job: Job, verdict: Verdict) -> None:
        del self.in_hand[job]
        self._carry_out(job, verdict)
        self._dispatch_soon()

    def _dispatch_soon(self) -> None:
        """In the loop's next turn, once for all that end in this one."""
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._dispatch)

    def _give_up(self, error: BaseException) -> None:
        log.error("a task cannot be answered", exc_info=error)
        self._on_failure(WorkerFailed(f"a task cannot be answered: {error!r}"))

    # What comes of a job.

    def _carry_out(self, job: Job, verdict: Verdict) -> None:
        job.task = None
        try:
            if job.tenure.is_over:
                self._finish(job)
            elif isinstance(verdict, Answered):
                self._answer(job, verdict)
            else:
                self._do(job, verdict)
        except Exception as error:  # noqa: BLE001 - as in _begin
            self._give_up(error)

    def _do(self, job: Job, verdict: Verdict) -> None:
        if isinstance(verdict, TryAgain):
            if verdict.is_failure:
                self._metrics.note_retry(job.action)
                log.info("task failed, trying again", **names_of(job), cause=verdict.cause, after_s=verdict.after_s)
            else:
                log.warning("task waits", **names_of(job), cause=verdict.cause)
            self._wait(job, verdict.after_s)
        elif isinstance(verdict, Awaiting):
            self._start_task(job, self._attempts.run_async(job, verdict.run, verdict))
        elif isinstance(verdict, Skip):
            job.unstored = 1
            self._metrics.note_redelivered(1)
            self._delivery.skip(job, verdict.response_offset)
            self._finish(job)
        elif isinstance(verdict, Mark):
            self._mark(job, verdict.first_offset)
        elif isinstance(verdict, Bury):
            log.warning("record not decodable", **names_of(job), cause=verdict.cause)
            job.unstored = 1
            self._bury(job, verdict.code, verdict.cause)
            self._finish(job)

    def _answer(self, job: Job, what: Answered) -> None:
        request = job.request
        ran_s = None if what.started_at_ms is None else time.monotonic() - job.started_s
        self._metrics.note_task(job.action, what.status, job.waited_s, ran_s)
        job.unstored = 1
        job.tenure.ledger.answer((request.agent_id, request.task_id))
        if what.is_dead and what.error is not None:
            job.unstored = 2
            log.warning("task given up", **names_of(job), status=what.status.value, cause=what.error.message)
            self._bury(job, what.error.code, what.error.message, what.stack if isinstance(what, Raised) else "")
        response = self._answers.respond(job, what)
        if job.deaths:
            self._storing.add(job)
            stored = partial(self._call, partial(self._after_storing, job))
            self._delivery.send(Outgoing(response, job, _RESPONSE, stored))
        else:
            self._delivery.send(Outgoing(response, job, _RESPONSE))
            self._finish(job)

    def _bury(self, job: Job, code: str, cause: str, stack: str = "") -> None:
        self._metrics.note_dead_letter(code)
        self._delivery.send(Outgoing(self._answers.bury(job, code, cause, stack), job, Kind.LETTER))

    def _after_storing(self, job: Job) -> None:
        if job in self._storing:
            self._storing.discard(job)
            self._finish(job)
            self._dispatch()

    def _mark(self, job: Job, first_offset: int | None) -> None:
        """Put on the log that it begins; it goes on when the mark is stored."""
        if first_offset is not None:
            self._delivery.show(job, first_offset)
        log.warning("task may have killed a worker", **names_of(job), deaths=job.deaths)
        job.is_marked = True
        resume = partial(self._call, partial(self._resume, job))
        self._comebacks.wait(job)
        self._marks(Outgoing(self._answers.mark(job), job, Kind.MARK, resume))

    def _wait(self, job: Job, after_s: float) -> None:
        if job is self._solo:
            self._solo = None
        if job.tenure.is_released:
            job.tenure.dropped += 1
            self._finish(job)
        else:
            self._comebacks.wait(job, self._loop.call_later(after_s, self._resume, job))

    def _resume(self, job: Job) -> None:
        if self._comebacks.resume(job, is_first=job is self._solo):
            self._dispatch()

    def _finish(self, job: Job) -> None:
        if job is self._solo:
            self._solo = None
        self.lanes.finish(job.key)

    # Partitions that go.

    def _drop(self) -> None:
        """Forget what waits of partitions that are released, or gone."""
        tenures: dict[Any, Tenure] = self._tenures
        for message in self.lanes.drop(lambda message: tenures[message.partition()].is_closed):
            tenures[message.partition()].dropped += 1
        for job in self._comebacks.drop(lambda job: job.tenure.is_closed):
            job.tenure.dropped += 1
            self._finish(job)
        for job in [job for job in self._storing if job.tenure.is_over]:
            self._storing.discard(job)
            self._finish(job)
        self._dispatch()

    def _cut_off(self, tenures: list[Tenure]) -> None:
        """Cancel what runs. A plain handler cannot be: its lane stays taken until it ends, and it is not answered."""
        for job, task in list(self.in_hand.items()):
            if job.tenure in tenures:
                if job.task is not None:
                    job.task.cancelled = True
                if task is not None:
                    task.cancel()

    def _cancel_async(self, job: Job) -> None:
        task = self.in_hand.get(job)
        if task is not None:
            task.cancel()

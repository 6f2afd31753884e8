"""The triage: what shall be done with a job, decided before any handler runs. It neither writes nor waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from mabos.consumers.agents import AgentGroup
from mabos.consumers.cancels import Cancels
from mabos.consumers.jobs import Job
from mabos.consumers.ledger import Marks
from mabos.consumers.task import Surroundings, Task
from mabos.consumers.verdicts import Answered, Bury, Mark, Run, Skip, TryAgain, Verdict, cancel, fail, reject
from mabos.schemas.codec import Codec
from mabos.schemas.errors import DecodeError, InvalidTask, RegistryUnavailable
from mabos.schemas.events import Status, TaskError, TaskRequest
from mabos.schemas.fields import read_object

MAX_DEATHS = 3
"""A task is not run again after so many workers went down while it ran."""

_REGISTRY_PAUSE_S = 2.0
_UNKNOWN_ACTION_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """Where time comes from."""

    wall_s: Callable[[], float] = time.time
    """Seconds since the epoch, for deadlines."""
    monotonic_s: Callable[[], float] = time.monotonic
    """Seconds since some moment, for what took how long."""


class Triage:
    """Looks at jobs.

    Args:
        agents: Which function does what.
        codec: Decodes requests.
        cancels: Which tasks shall be cancelled.
        surroundings: What tasks need of their worker.
        clocks: Where time comes from.
    """

    def __init__(
        self,
        agents: AgentGroup,
        codec: Codec[TaskRequest],
        cancels: Cancels,
        surroundings: Surroundings,
        clocks: Clocks | None = None,
    ) -> None:
        self.agents, self.codec, self.cancels, self.surroundings = agents, codec, cancels, surroundings
        self._clocks = clocks or Clocks()

    def look(self, job: Job) -> Verdict:
        """What shall be done with a job now; it may be asked again, as after a failed attempt."""
        if not job.attempt and (verdict := self._look_first(job)) is not None:
            return verdict
        request = job.request
        if self.cancels.reasons and (reason := self.cancels.find(request.agent_id, request.task_id)) is not None:
            return cancel(reason)
        try:
            payload = read_object("payload", request.payload_json)
        except InvalidTask as error:
            return reject("invalid_payload", str(error))
        handler = self.agents.find_handler(payload.get("action"))
        if handler is None:
            return self._unknown_action(job)
        left_s = None
        if request.deadline_ms is not None:
            left_s = request.deadline_ms / 1000 - self._clocks.wall_s()
            if left_s <= 0:
                return Answered(Status.EXPIRED, error=TaskError(code="expired", message="the deadline had passed"))
        job.attempt += 1
        job.action = handler.action
        job.task = task = Task(job, payload, self.surroundings)
        return Run(handler, task, left_s)

    def _look_first(self, job: Job) -> Verdict | None:
        """What there is to say of a job of which no attempt was made."""
        try:
            if job.request is None:
                job.request = self.codec.decode(job.value)
        except DecodeError as error:
            return Bury(error.code, error.reason)
        except RegistryUnavailable as error:
            return TryAgain(_REGISTRY_PAUSE_S, f"writer schema unknown: {error}", is_failure=False)
        request, ledger = job.request, job.tenure.ledger
        task = request.agent_id, request.task_id
        if ledger.has(task):
            return Skip(ledger.find(task))
        if job.key != request.agent_id.encode():  # an answer could be a second one: the task's own partition is another
            return Bury("bad_key", f"the record key is {job.key!a}, not the agent_id")
        is_open = job.offset < ledger.suspects_end and not job.is_marked
        if is_open and (job.deaths or ledger.is_suspect(request.agent_id, job.offset)):
            return _suspect(job, ledger.find_marks(task))
        return None

    def _unknown_action(self, job: Job) -> Verdict:
        """Reject it, or wait: while a new release is rolled out, old workers meet tasks that only new ones know."""
        now_s = self._clocks.monotonic_s()
        job.taken_s = job.taken_s or now_s
        known = ", ".join(self.agents.actions)
        cause = f"payload.action: no handler takes it, there are: {known}"
        if now_s - job.taken_s < self.agents.unknown_action_grace_s:
            return TryAgain(_UNKNOWN_ACTION_PAUSE_S, cause, is_failure=False)
        return reject("unknown_action", cause)


def _suspect(job: Job, marks: Marks | None) -> Verdict:
    """One that was unmarked when its worker went down counts one death; each mark counts another."""
    job.deaths = 1 + (0 if marks is None else marks.count)
    if job.deaths >= MAX_DEATHS:
        return fail("worker_lost", f"{job.deaths} workers went down while it ran", None)
    return Mark(None if marks is None else marks.first_offset)

"""A rehearsal: today's handlers run over a task of the past, and nothing goes out.

They run as in a worker: the same triage, the same attempts, retries included. But progress is checked and dropped, who
asks or sends is refused, and an ``on_error`` function is not told. Deadlines are looked at with the recording's clock,
and no pause before a retry is waited for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from mabos.consumers.agents import AgentGroup
from mabos.consumers.asking import Asker
from mabos.consumers.attempts import Attempts
from mabos.consumers.cancels import Cancels
from mabos.consumers.errors import NotVerifiable
from mabos.consumers.jobs import Job
from mabos.consumers.ledger import Ledger
from mabos.consumers.offsets import Offsets
from mabos.consumers.past import PastTask
from mabos.consumers.tenure import Tenure
from mabos.consumers.triage import Clocks, Triage
from mabos.consumers.verdicts import Answered, Awaiting, Run, TryAgain, Verdict
from mabos.schemas.codec import Codec
from mabos.schemas.events import TaskRequest
from mabos.schemas.jsontext import encode_object


class Rehearsal:
    """Runs a handler over one task of the past, and lets nothing out.

    Args:
        agents: The handlers.
        codec: Decodes requests.
        topic: The requests topic.
        max_result_bytes: The most bytes a result's JSON may take.
    """

    def __init__(self, agents: AgentGroup, codec: Codec[TaskRequest], topic: str, *, max_result_bytes: int) -> None:
        self._surroundings = QuietSurroundings(topic, max_result_bytes)
        self._skipped_s = self._now_s = 0.0
        clocks = Clocks(wall_s=lambda: self._now_s, monotonic_s=lambda: time.monotonic() + self._skipped_s)
        self._triage = Triage(agents, codec, Cancels(), self._surroundings, clocks)
        nobody = AgentGroup(agents.name)  # whose on_error would be told of failures: it is no part of an outcome
        self._attempts = Attempts(nobody, max_result_bytes=max_result_bytes, clocks=clocks)

    def run(self, runner: asyncio.Runner, task: PastTask) -> tuple[Answered | None, str | None]:
        """What the handlers answer today; or None, and why nobody can tell."""
        partition = task.position.partition
        job = Job(task.message, Tenure(partition=partition, offsets=Offsets(task.position.offset), ledger=Ledger(1)))
        job.request = task.request
        outcome, surroundings = task.outcome, self._surroundings
        began_ms = None if outcome is None else outcome.started_at_ms
        self._now_s = (task.appended_at_ms if began_ms is None else began_ms) / 1000
        surroundings.refused = None
        while True:
            verdict = self._step(runner, job)
            if surroundings.refused is not None:
                return None, surroundings.refused
            if isinstance(verdict, TryAgain):
                self._skipped_s += verdict.after_s
            else:
                return (verdict, None) if isinstance(verdict, Answered) else (None, "it is no task today")

    def _step(self, runner: asyncio.Runner, job: Job) -> Verdict:
        verdict = self._triage.look(job)
        if not isinstance(verdict, Run):
            return verdict
        if verdict.handler.is_async:
            return runner.run(self._attempts.run_async(job, verdict))
        found = self._attempts.run_plain(job, verdict)
        return runner.run(self._attempts.run_async(job, found.run, found)) if isinstance(found, Awaiting) else found


class QuietSurroundings:
    """What tasks need of their worker, with no worker: nothing goes out.

    Attributes:
        refused: What a handler wanted that cannot be given; None if there was nothing. A handler may catch the error
            that tells it.
    """

    def __init__(self, topic: str, max_result_bytes: int) -> None:
        self.topic, self._max_result_bytes = topic, max_result_bytes
        self.refused: str | None = None

    @property
    def asker(self) -> Asker:
        """There is nobody to ask.

        Raises:
            NotVerifiable: Always.
        """
        self.refused = "its handler asks or sends"
        raise NotVerifiable("a recorded task is verified: nothing can be asked or sent")

    def report_progress(self, job: Job, fields: Mapping[str, Any]) -> None:  # noqa: ARG002 - as a worker's has it
        """Check the fields as a worker does, and drop them.

        Raises:
            InvalidTask: The fields are no JSON object, or too large.
        """
        encode_object("progress", fields, max_bytes=self._max_result_bytes)

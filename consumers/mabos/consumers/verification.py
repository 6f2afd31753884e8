"""Verify: runs today's handlers over recorded requests, and compares what comes out with the recorded outcomes.

A regression test made of real history. Only outcomes that handlers made are compared: completed, rejected, failed. What
was cancelled, came too late or went down with its worker says nothing of its handler, and is counted by itself, as are
tasks whose handlers ask or send (see :mod:`mabos.consumers.rehearsal`).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import orjson

from mabos.consumers.agents import AgentGroup
from mabos.consumers.differences import Difference, find_differences
from mabos.consumers.history import History
from mabos.consumers.past import PastTask
from mabos.consumers.rehearsal import Rehearsal
from mabos.consumers.replays import HistoryReplay
from mabos.consumers.selection import Reach, Selection
from mabos.consumers.verdicts import Answered
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas.codec import REQUEST, Codec
from mabos.schemas.events import Status, TaskError
from mabos.schemas.registry import SchemaRegistry

_FROM_HANDLERS = frozenset({Status.COMPLETED, Status.REJECTED, Status.FAILED})
_NOT_FROM_HANDLERS = frozenset({"worker_lost"})
_MAX_DIFFERENCES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyLimits:
    """What counts as a difference, and how much is looked at."""

    ignored: frozenset[str] = frozenset()
    """Members that may differ, as :func:`mabos.consumers.differences.find_differences` takes them; those of ``result``
    and ``error`` count, and ``status``."""
    max_tasks: int | None = None
    """The most tasks to compare; None for all."""
    max_mismatches: int = 10
    """How many of the tasks that differ are kept with their differences; the others are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """A task whose outcome is another one today."""

    task_id: str
    agent_id: str
    action: str | None
    position: Position
    """Where its request stands."""
    differences: tuple[Difference, ...]
    """The first of them."""


@dataclass(slots=True, kw_only=True)
class Agreement:
    """How the tasks of one action came out."""

    agreed: int = 0
    """As recorded."""
    differed: int = 0
    """Otherwise."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Not verifiable, by reason."""

    @property
    def compared(self) -> int:
        """Tasks that were compared."""
        return self.agreed + self.differed


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What came out."""

    actions: Mapping[str | None, Agreement]
    """By action."""
    mismatches: tuple[Mismatch, ...]
    """The first tasks that differ."""
    remarks: tuple[str, ...]
    """A line for each thing that was asked for and is not in the log."""
    is_whole: bool
    """False if it was stopped before its end."""

    @property
    def compared(self) -> int:
        """Tasks that were compared."""
        return sum(agreement.compared for agreement in self.actions.values())

    @property
    def differed(self) -> int:
        """Tasks whose outcome is another one today."""
        return sum(agreement.differed for agreement in self.actions.values())


class Verification(HistoryReplay[Verified]):
    """Runs an agent group's handlers over recorded tasks, one after the other.

    Args:
        agents: Today's handlers.
        settings: Where Kafka is, and the queue.
        registry: Where writer schemas are looked up.
        selection: Which tasks.
        reach: What to read for them.
        limits: What counts as a difference.
    """

    def __init__(
        self,
        agents: AgentGroup,
        settings: Settings,
        registry: SchemaRegistry,
        selection: Selection,
        reach: Reach,
        limits: VerifyLimits | None = None,
    ) -> None:
        super().__init__(History(settings, registry, selection, reach), reach)
        self._limits = limits or VerifyLimits()
        topic = Queue(name=settings.queue).requests
        codec = Codec.for_topic(REQUEST, topic, registry)
        self._rehearsal = Rehearsal(agents, codec, topic, max_result_bytes=settings.max_payload_bytes)
        self._actions: dict[str | None, Agreement] = {}
        self._mismatches: list[Mismatch] = []
        self._compared = 0

    def run(self) -> Verified:
        """Run the handlers, and compare.

        Raises:
            BrokerUnavailable: No broker answers.
            RegistryUnavailable: A writer schema is not known, and the registry does not answer.
        """
        with asyncio.Runner() as runner:
            for task in self._history:
                if self.is_stopping or self._compared == self._limits.max_tasks:
                    break
                self._verify(runner, task)
        return Verified(
            actions=dict(self._actions),
            mismatches=tuple(self._mismatches),
            remarks=(*self._reach.remarks, *self._history.remarks),
            is_whole=not self.is_stopping,
        )

    def _verify(self, runner: asyncio.Runner, task: PastTask) -> None:
        agreement = self._actions.setdefault(task.action, Agreement())
        reason = why_not_verifiable(task)
        answer = None
        if reason is None:
            answer, reason = self._rehearsal.run(runner, task)
        if answer is None:
            agreement.skipped[reason or "no answer"] += 1
            return
        self._compared += 1
        differences = tuple(islice(compare(task, answer, self._limits.ignored), _MAX_DIFFERENCES))
        if not differences:
            agreement.agreed += 1
            return
        agreement.differed += 1
        if len(self._mismatches) < self._limits.max_mismatches:
            self._mismatches.append(
                Mismatch(
                    task_id=task.request.task_id,
                    agent_id=task.request.agent_id,
                    action=task.action,
                    position=task.position,
                    differences=differences,
                )
            )


def why_not_verifiable(task: PastTask) -> str | None:
    """Why a task's outcome says nothing of its handler; None if it does."""
    outcome = task.outcome
    if outcome is None:
        return "no outcome is recorded"
    if outcome.status not in _FROM_HANDLERS:
        return f"it was {outcome.status.value}"
    if outcome.error is not None and outcome.error.code in _NOT_FROM_HANDLERS:
        return f"it failed with {outcome.error.code}"
    return None


def compare(task: PastTask, answer: Answered, ignored: Collection[str] = ()) -> list[Difference]:
    """What differs between a recorded outcome and today's answer; if the status does, the result is left out."""
    outcome = task.outcome
    assert outcome is not None  # noqa: S101 - why_not_verifiable() says so
    recorded: dict[str, Any] = {
        "status": outcome.status.value,
        "error": None if outcome.error is None else outcome.error.to_record(),
    }
    today: dict[str, Any] = {
        "status": answer.status.value,
        "error": None if answer.error is None else answer.error.to_record(),
    }
    if outcome.status is answer.status:
        recorded["result"], today["result"] = _read(outcome.result_json), _read(answer.result_json)
    return list(find_differences(recorded, today, ignored))


def _show(error: TaskError | None) -> dict[str, Any] | None:
    return None if error is None else error.to_record()


def _read(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """A result; one that is no JSON, as a foreign worker may have written it, stands as its text."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text

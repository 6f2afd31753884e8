"""Reprocess: publishes old requests as new tasks, through the live topic: each agent's order holds for them, too.

An outcome never changes, so what is done again is a new task that names the old one. Its id comes from the replay's id
and the old request's position, and before it publishes, a replay reads from the log which of its tasks stand there
already. So one that was killed goes on without publishing any task twice.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from mabos.consumers.errors import InvalidReplay
from mabos.consumers.history import History
from mabos.consumers.lineage import REPLAY, ReplayOf, replay_headers
from mabos.consumers.pace import Pace
from mabos.consumers.past import PastTask
from mabos.consumers.plans import ReplayPlan
from mabos.consumers.replays import HistoryReplay, Progress
from mabos.consumers.republishing import Republisher, find_republished
from mabos.consumers.selection import Stretch
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.producers.errors import RecordTooLarge
from mabos.schemas.codec import REQUEST, Codec
from mabos.schemas.events import TaskRequest
from mabos.schemas.registry import SchemaRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class Reprocessed:
    """What was published, or would be."""

    replay_id: str
    """The replay."""
    tasks: Mapping[str | None, int]
    """Tasks published by this run, by action; of a dry run, those that one would publish."""
    published_before: int
    """Tasks of this replay that stood in the log already."""
    replays: int
    """Requests passed over because another replay published them."""
    remarks: tuple[str, ...]
    """A line for each thing that was asked for and is not in the log."""
    is_whole: bool
    """False if it was stopped before its end."""

    @property
    def total(self) -> int:
        """Tasks of this run."""
        return sum(self.tasks.values())


class Reprocessing(HistoryReplay[Reprocessed]):
    """Publishes a plan's tasks, or, as a dry run, counts them.

    Args:
        settings: Where Kafka is; of the plan's queue.
        registry: Where schemas are looked up.
        plan: What is to be published.
        rate: Tasks a second; None for as fast as can be.
        expected: How many tasks there are, as a dry run told, for the progress.
        is_dry: Whether it only counts.

    Raises:
        InvalidReplay: The plan is for another queue.
    """

    def __init__(
        self,
        settings: Settings,
        registry: SchemaRegistry,
        plan: ReplayPlan,
        *,
        rate: float | None = None,
        expected: int | None = None,
        is_dry: bool = False,
    ) -> None:
        history = History(settings, registry, plan.selection, plan.reach, joins=False, mixes=True)
        super().__init__(history, plan.reach)
        if plan.queue != settings.queue:
            raise InvalidReplay(f"replay {plan.replay_id} is one of queue {plan.queue}, not {settings.queue}")
        self._settings, self._plan, self._is_dry = settings, plan, is_dry
        self._codec = Codec.for_topic(REQUEST, Queue(name=settings.queue).requests, registry)
        self._pace = Pace(rate)
        self._expected = expected
        self._tasks: Counter[str | None] = Counter()
        self._replays = self._before = self._stored = self._too_large = 0
        self._found: int | None = None
        self._may_publish: Callable[[], bool] = lambda: True

    @property
    def progress(self) -> Progress:
        """How far it is; from any thread."""
        return super().progress if self._is_dry else Progress(done=self._stored, total=self._expected, unit="tasks")

    @property
    def found(self) -> int | None:
        """How many tasks of this replay stood in the log when it began; None until it has looked."""
        return self._found

    def publish_while(self, may_publish: Callable[[], bool]) -> None:
        """Have it end as by :meth:`stop` once this says no; it is asked right before each task that is published.

        For whoever holds a replay for a time only: another one that publishes the same plan may begin after that.
        """
        self._may_publish = may_publish

    def run(self) -> Reprocessed:
        """Publish, or count.

        Raises:
            BrokerUnavailable: No broker answers.
            RegistryUnavailable: A writer schema is not known, and the registry does not answer.
            PublishError: A task was not acknowledged. Another one with the same plan goes on.
        """
        there = self._find_published()
        if self._is_dry:
            self._go_through(there, lambda _: True)
        else:
            with Republisher(self._settings, self._codec, client_id="mabos-replay") as republisher:
                self._go_through(there, partial(self._publish, republisher))
        too_large = [f"{self._too_large} tasks are too large to be published again"] if self._too_large else []
        return Reprocessed(
            replay_id=self._plan.replay_id,
            tasks=dict(self._tasks),
            published_before=self._before,
            replays=self._replays,
            remarks=(*self._plan.reach.remarks, *self._history.remarks, *too_large),
            is_whole=not self.is_stopping,
        )

    def _go_through(self, there: Mapping[int, OffsetSet], take: Callable[[PastTask], bool]) -> None:
        """Have a function take each task whose turn it is; it says whether it did."""
        for task in self._history:
            place = task.position
            if not self._plan.takes_replays and REPLAY in dict(task.headers):
                self._replays += 1
            elif place.offset in there[place.partition]:
                self._before += 1
            elif take(task):
                self._tasks[task.action] += 1

    def _publish(self, republisher: Republisher, task: PastTask) -> bool:
        republisher.check()
        if self._stopping.wait(self._pace.take()):
            return False
        if not self._may_publish():
            self.stop()
            return False
        old = task.request
        replay_of = ReplayOf(agent_id=old.agent_id, task_id=old.task_id, position=task.position)
        new = TaskRequest(
            task_id=self._plan.new_task_id(task.position),
            agent_id=old.agent_id,
            payload_json=old.payload_json,
            deadline_ms=self._new_deadline_ms(task),
        )
        try:
            republisher.publish(new, replay_headers(replay_of, task.headers, self._plan.replay_id), self._note_stored)
        except RecordTooLarge:  # its new headers take some bytes more: it must not hold up all others
            self._too_large += 1
            return False
        return True

    def _new_deadline_ms(self, task: PastTask) -> int | None:
        old_ms = task.request.deadline_ms
        if old_ms is None or self._plan.deadlines == "drop":
            return None
        if self._plan.deadlines == "keep":
            return old_ms
        return round(time.time() * 1000) + max(0, old_ms - task.appended_at_ms)

    def _note_stored(self, _: Position) -> None:
        self._stored += 1

    def _find_published(self) -> dict[int, OffsetSet]:
        """The old requests whose new tasks stand in the log: after the place where it ended when the plan was made."""
        plan = self._plan
        count, found = 0, {partition: OffsetSet(stretch) for partition, stretch in plan.reach.stretches.items()}
        begins = plan.reach.requests_end
        for old, _ in find_republished(self._settings, begins, REPLAY, plan.replay_id, lambda: self.is_stopping):
            if old.partition in found:
                count += found[old.partition].add(old.offset)
        if not self.is_stopping:  # else nothing is published, so nothing more needs to be known
            self._found = count
        return found


class OffsetSet:
    """A set of offsets of a stretch, a bit each: there may be millions.

    Args:
        stretch: What they may be of; others are never in the set.
    """

    def __init__(self, stretch: Stretch) -> None:
        self._begin = stretch.begin
        self._bits = bytearray((stretch.end - stretch.begin + 7) // 8)

    def add(self, offset: int) -> bool:
        """Add one; whether it is new."""
        place = offset - self._begin
        if offset in self or not 0 <= place < 8 * len(self._bits):
            return False
        self._bits[place // 8] |= 1 << place % 8
        return True

    def __contains__(self, offset: int) -> bool:
        """Whether it was added."""
        place = offset - self._begin
        return 0 <= place < 8 * len(self._bits) and bool(self._bits[place // 8] >> place % 8 & 1)

"""An engine between a publisher with no Kafka behind it and a reader that is the test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from confluent_kafka import Consumer, Message, TopicPartition

from mabos.consumers import AgentGroup, RetryPolicy, Task
from mabos.consumers.asking import Asker
from mabos.consumers.assignment import Assignment
from mabos.consumers.at_least_once import AtLeastOnce, Commits
from mabos.consumers.attempts import Attempts
from mabos.consumers.cancels import Cancels
from mabos.consumers.delivery import Stored
from mabos.consumers.engine import Engine
from mabos.consumers.errors import WorkerFailed
from mabos.consumers.jobs import size_of
from mabos.consumers.ledger import Ledger
from mabos.consumers.metrics import Snapshot, WorkerMetrics
from mabos.consumers.outbox import Outbox
from mabos.consumers.progress import TaskSurroundings
from mabos.consumers.tenure import Tenure
from mabos.consumers.triage import Triage
from mabos.kafka.settings import Settings
from mabos.schemas.codec import REQUEST, Codec
from mabos.schemas.events import Status
from tests.support.jobs import QUEUE, FakePublisher, make_answers, make_message, make_tenure
from tests.support.registries import FakeRegistry
from tests.support.waiting import eventually

ONCE = RetryPolicy(max_attempts=1)
_MAX_BYTES = 100_000
_LOOK_EVERY_S = 0.002


class FakeConsumer:
    """Takes commits, and keeps them."""

    def __init__(self) -> None:
        self.commits: list[TopicPartition] = []

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> list[TopicPartition] | None:
        self.commits += offsets
        return None if asynchronous else offsets

    @property
    def as_consumer(self) -> Consumer:
        """Itself, for what wants the real one."""
        return cast(Consumer, self)


class Rig:
    """An engine and all round it that is no Kafka; the test's thread is the reader."""

    def __init__(self, agents: AgentGroup, publisher: FakePublisher, concurrency: int) -> None:
        self.publisher, self.registry, self.cancels = publisher, FakeRegistry(), Cancels()
        self.failures: list[WorkerFailed] = []
        self.tenures: dict[int, Tenure] = {}
        self.consumer = FakeConsumer()
        metrics = WorkerMetrics(agents.actions, Snapshot)
        self.assignment: Assignment[Message] = Assignment()
        self.commits = Commits(QUEUE.requests, self.assignment, 0.0, on_commit=metrics.note_commit)
        self.commits.consumer = self.consumer.as_consumer
        answers, stored = make_answers(), Stored()
        self.outbox = Outbox(publisher.as_publisher, answers, stored, on_failure=self.failures.append)
        self.delivery = AtLeastOnce(self.outbox, stored, self.commits)
        asker = Asker(Settings(), self.registry.as_registry)
        surroundings = TaskSurroundings(QUEUE.requests, answers, self.delivery, asker, max_result_bytes=_MAX_BYTES)
        self.engine = Engine(
            Triage(agents, Codec(REQUEST, 1, self.registry.as_registry), self.cancels, surroundings),
            Attempts(agents, max_result_bytes=_MAX_BYTES),
            answers,
            self.delivery,
            metrics,
            marks=self.outbox.send,
            concurrency=concurrency,
            on_failure=self.failures.append,
        )

    def open(self, partition: int = 0, *, position: int = 0, ledger: Ledger | None = None) -> Tenure:
        """Take a partition over."""
        tenure = make_tenure(partition, position=position, ledger=ledger)
        self.assignment.add({partition})
        self.assignment.open(tenure)
        self.tenures[partition] = tenure
        self.engine.open(tenure)
        return tenure

    def submit(self, *messages: Message) -> None:
        """Read records; their partitions are taken over at the first of each."""
        for message in messages:
            partition, offset = cast(int, message.partition()), cast(int, message.offset())
            tenure = self.tenures.get(partition) or self.open(partition)
            assert tenure.offsets.start(offset), "a test reads each offset once"
            tenure.held_bytes += size_of(message)
        self.engine.submit(list(messages))

    def ask(self, agent_id: str, *offsets: int, partition: int = 0, **payload: Any) -> None:
        """Submit a task at each of these offsets, for one agent."""
        self.submit(*[make_message(agent_id, payload, offset=offset, partition=partition) for offset in offsets])

    def wait_for(self, look: Callable[[], object], *, timeout_s: float = 20.0) -> None:
        """Go on as the reader does until something holds."""

        def settle_and_look() -> object:
            self.delivery.settle()
            return look()

        eventually(settle_and_look, timeout_s=timeout_s, every_s=_LOOK_EVERY_S)

    def wait_until_done(self) -> None:
        """Wait until all that was submitted is done, but for what was dropped."""
        self.wait_for(lambda: all(t.offsets.unfinished <= t.dropped for t in self.tenures.values()))

    def close(self, *partitions: int) -> None:
        """Some partitions are gone."""
        self.engine.close(self.assignment.remove(partitions))
        for partition in partitions:
            del self.tenures[partition]

    @property
    def answered(self) -> list[tuple[str, Status]]:
        """The responses sent so far: whose, and how it ended."""
        return [(response.task_id, response.status) for response in self.publisher.responses()]


@contextmanager
def rig(
    function: Callable[[Task], Any],
    *,
    concurrency: int = 64,
    retry: RetryPolicy = ONCE,
    publisher: FakePublisher | None = None,
) -> Iterator[Rig]:
    """A rig whose agents do all tasks with one function."""
    agents = AgentGroup("g", retry=retry)
    agents.on_task_request()(function)
    with rig_of(agents, concurrency=concurrency, publisher=publisher) as made:
        yield made


@contextmanager
def rig_of(agents: AgentGroup, *, concurrency: int = 64, publisher: FakePublisher | None = None) -> Iterator[Rig]:
    """A rig that runs; it is stopped at the end."""
    made = Rig(agents, FakePublisher() if publisher is None else publisher, concurrency)
    made.engine.start()
    try:
        yield made
    finally:
        made.engine.stop()


class Gates:
    """Handlers that wait until the test lets them go, and tell what began and what ended."""

    def __init__(self, *closed: str) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self._gates = {agent: threading.Event() for agent in closed}

    def open(self) -> None:
        for gate in self._gates.values():
            gate.set()

    def plain(self, task: Task) -> None:
        self.begun.append(task.task_id)
        if task.agent_id == "sick":
            raise ValueError("always")
        if task.agent_id in self._gates:
            self._gates[task.agent_id].wait(10)
        self.ended.append(task.task_id)

    async def in_the_loop(self, task: Task) -> None:
        self.begun.append(task.task_id)
        if task.agent_id == "sick":
            raise ValueError("always")
        gate = self._gates.get(task.agent_id)
        while gate is not None and not gate.is_set():  # noqa: ASYNC110 - the test sets it in another thread
            await asyncio.sleep(0.001)
        self.ended.append(task.task_id)

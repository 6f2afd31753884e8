"""Puts the parts of a worker together, for its settings and limits."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from confluent_kafka import Message

from mabos.consumers.agents import AgentGroup
from mabos.consumers.answers import Answers
from mabos.consumers.asking import Asker
from mabos.consumers.assignment import Assignment
from mabos.consumers.at_least_once import AtLeastOnce, Commits
from mabos.consumers.attempts import Attempts
from mabos.consumers.cancels import Cancels
from mabos.consumers.controls import ControlFeed
from mabos.consumers.delivery import Delivery, Stored
from mabos.consumers.engine import Engine
from mabos.consumers.exactly_once import ExactlyOnce
from mabos.consumers.limits import WorkerLimits
from mabos.consumers.metrics import WorkerMetrics
from mabos.consumers.outbox import Outbox
from mabos.consumers.progress import TaskSurroundings
from mabos.consumers.takeover import Takeovers
from mabos.consumers.transactions import Transactions, is_on_log, transactional
from mabos.consumers.triage import Triage
from mabos.kafka.clients import librdkafka_config
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.producers.publisher import Publisher
from mabos.schemas.codec import REQUEST, RESPONSE, Codec
from mabos.schemas.errors import MabosError
from mabos.schemas.events import TaskControl
from mabos.schemas.registry import SchemaRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a worker is made of."""

    engine: Engine
    """Runs jobs."""
    delivery: Delivery
    """Gets answers and offsets to the broker."""
    commits: Commits
    """Commits offsets."""
    takeovers: Takeovers
    """Reads ledgers."""
    controls: ControlFeed
    """Hears of cancels."""
    outbox: Outbox
    """Sends what is no part of a transaction."""
    asker: Asker
    """Asks and sends for handlers."""


def assemble(
    agents: AgentGroup,
    settings: Settings,
    registry: SchemaRegistry,
    limits: WorkerLimits,
    assignment: Assignment[Message],
    metrics: WorkerMetrics,
    on_failure: Callable[[MabosError], None],
) -> Parts:
    """The parts of a worker; nothing runs yet.

    Raises:
        RegistryError: The schemas are not registered, or the registry is away and never told their ids.
        WorkerFailed: With exactly-once delivery: no broker answers.
    """
    queue = Queue(name=settings.queue)
    requests = Codec.for_topic(REQUEST, queue.requests, registry)
    responses = Codec.for_topic(RESPONSE, queue.responses, registry)
    answers, stored = Answers(responses, queue), Stored()
    commits = Commits(queue.requests, assignment, limits.commit_interval_s, on_commit=metrics.note_commit)
    publisher = Publisher(settings, client_id="mabos-worker", role="answers", has_thread=False)
    outbox = Outbox(publisher, answers, stored, on_failure=on_failure)
    delivery: Delivery = AtLeastOnce(outbox, stored, commits)
    if limits.delivery == "exactly-once":
        delivery = ExactlyOnce(
            Transactions(_transactional_config(settings, agents)),
            partial(is_on_log, settings),
            outbox,
            stored,
            answers,
            assignment,
            commits,
            interval_s=limits.transaction_interval_s,
            on_failure=on_failure,
        )
    asker = Asker(settings, registry)
    surroundings = TaskSurroundings(
        queue.requests, answers, delivery, asker, max_result_bytes=settings.max_payload_bytes
    )
    cancels = Cancels()
    engine = Engine(
        Triage(agents, requests, cancels, surroundings),
        Attempts(agents, max_result_bytes=settings.max_payload_bytes),
        answers,
        delivery,
        metrics,
        marks=outbox.send,
        concurrency=limits.concurrency,
        on_failure=on_failure,
    )
    takeovers = Takeovers(
        settings,
        agents.name,
        responses,
        window=limits.ledger_window,
        reach=2 * limits.max_ahead,  # it reads on for a moment after it said so, and commits lag behind
        on_failure=on_failure,
        on_read=metrics.note_ledger_read,
    )

    def cancel(control: TaskControl) -> None:
        cancels.add(control.agent_id, control.task_id, control.reason)
        engine.cancel(control.agent_id, control.task_id, control.reason)

    controls = ControlFeed(settings, registry, cancel, on_failure=on_failure)
    return Parts(
        engine=engine,
        delivery=delivery,
        commits=commits,
        takeovers=takeovers,
        controls=controls,
        outbox=outbox,
        asker=asker,
    )


def _transactional_config(settings: Settings, agents: AgentGroup) -> dict[str, object]:
    """An id per worker: what fences a zombie is its place in the group (KIP-447), not its transactional id."""
    config = librdkafka_config(settings, "answers", client_id="mabos-worker")
    return transactional(config, f"mabos-{agents.name}-{uuid.uuid4()}")

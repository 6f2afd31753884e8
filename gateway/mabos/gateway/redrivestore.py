"""The plans of redrives, in PostgreSQL: kept for a day, applied by one at a time, and no two of them for one task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from mabos.gateway.errors import PlanUnknown, RedriveRuns
from mabos.gateway.tables import SCHEMA, make_tables
from mabos.kafka.settings import Settings
from mabos.streams.database import Connection, connect, explain
from mabos.streams.redrive_plans import RedrivePlan, Step

_LOCK = 0x6D61626F + 3  # beside those of the view
_FIND: LiteralString = (
    "SELECT plan, begins, applied_at, result FROM redrive_plans"
    " WHERE plan_id = %s AND queue = %s AND expires_at > now()"
)
# an hour later than they can be applied: one that began in time holds its tasks to its end
_FORGET: LiteralString = "DELETE FROM redrive_plans WHERE expires_at <= now() - interval '1 hour'"
_TAKE: LiteralString = """
INSERT INTO redrive_claims (plan_id, queue, agent_id, task_id, new_task_id)
SELECT %(plan)s, %(queue)s, agent_id, task_id, new_task_id
FROM unnest(%(agents)s::text[], %(tasks)s::text[], %(new)s::text[]) AS asked (agent_id, task_id, new_task_id)
ORDER BY agent_id COLLATE "C", task_id COLLATE "C" -- two plans wait for each other in one order only
ON CONFLICT (queue, agent_id, task_id) DO NOTHING
"""
_HELD: LiteralString = """
SELECT agent_id, task_id, held.plan_id::text, held.new_task_id
FROM redrive_claims AS held
JOIN unnest(%(agents)s::text[], %(tasks)s::text[]) AS asked (agent_id, task_id) USING (agent_id, task_id)
WHERE held.queue = %(queue)s AND held.plan_id <> %(plan)s
"""
_TAKE_OVER: LiteralString = """
UPDATE redrive_claims AS held SET plan_id = %(plan)s, new_task_id = asked.new_task_id
FROM unnest(%(agents)s::text[], %(tasks)s::text[], %(new)s::text[], %(plans)s::uuid[])
    AS asked (agent_id, task_id, new_task_id, plan_id)
WHERE held.queue = %(queue)s
    AND (held.agent_id, held.task_id, held.plan_id) = (asked.agent_id, asked.task_id, asked.plan_id)
RETURNING held.agent_id, held.task_id
"""
_RELEASE: LiteralString = "DELETE FROM redrive_claims WHERE plan_id = %s AND new_task_id <> ALL (%s)"

TaskKey = tuple[str, str]
"""Agent and task, of a task that is done again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Which plan does a task again."""

    plan_id: str
    """The plan."""
    new_task_id: str
    """The task that does it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPlan:
    """A plan, and what has become of it."""

    plan: RedrivePlan
    begins: dict[int, int] | None
    """Where the requests ended before its first task was published; None while none was."""
    applied_at: datetime | None
    """When all of it was published."""
    result: dict[str, Any] | None
    """What was published then."""


class RedriveStore:
    """Keeps plans. Each call is a connection of its own: they are rare.

    Args:
        settings: Where the database is, and which queue.

    Its methods raise DatabaseUnavailable when the database is away, and DatabaseRefused when a right is missing.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def keep(self, plan: RedrivePlan, created_by: str) -> None:
        """Keep a plan; those that are over are forgotten."""
        with self._connect() as connection, connection.transaction():
            make_tables(connection)
            connection.execute(_FORGET)
            connection.execute(
                "INSERT INTO redrive_plans (plan_id, queue, created_at, expires_at, created_by, plan)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                (plan.plan_id, plan.queue, plan.created_at, plan.expires_at, created_by, Jsonb(plan.to_row())),
            )

    def find(self, plan_id: str) -> KeptPlan:
        """A plan.

        Raises:
            PlanUnknown: There is none of that id, or no more.
        """
        with self._connect() as connection:
            return self._find(connection, plan_id)

    @contextmanager
    def claim(self, plan_id: str) -> Iterator[Claim]:
        """Apply a plan alone while the block lasts; a process that is killed lets go.

        Raises:
            PlanUnknown: There is none of that id, or no more.
            RedriveRuns: It is being applied elsewhere.
        """
        with self._connect() as connection:
            self._find(connection, plan_id)
            with connection.transaction():
                make_tables(connection)  # the plan may be older than one of them
            number = UUID(plan_id).int % 2**32 - 2**31
            held = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", (_LOCK, number)).fetchone()
            if held is None or not held[0]:
                raise RedriveRuns(f"plan {plan_id} is being applied already: ask again in a moment")
            yield Claim(connection, self._find(connection, plan_id))

    def _find(self, connection: Connection, plan_id: str) -> KeptPlan:
        unknown = PlanUnknown(f"there is no plan {plan_id}: make one; it is kept for a day")
        try:
            row = connection.execute(_FIND, (UUID(plan_id), self._settings.queue)).fetchone()
        except (ValueError, psycopg.errors.UndefinedTable):
            raise unknown from None
        if row is None:
            raise unknown
        plan, begins, applied_at, result = row
        return KeptPlan(
            plan=RedrivePlan.from_row(plan),
            begins=None if begins is None else {int(partition): offset for partition, offset in begins.items()},
            applied_at=applied_at,
            result=result,
        )

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        try:
            with connect(self._settings, SCHEMA, autocommit=True) as connection:
                connection.execute("SET synchronous_commit = on")  # what was begun must not be forgotten
                yield connection
        except psycopg.Error as error:
            raise explain(self._settings, error) from error


class Claim:
    """A plan in the hands of who applies it."""

    def __init__(self, connection: Connection, kept: KeptPlan) -> None:
        self._connection, self.kept = connection, kept

    def begin(self, begins: dict[int, int]) -> None:
        """Note where the requests end, before anything is published."""
        values = {str(partition): offset for partition, offset in begins.items()}
        statement: LiteralString = "UPDATE redrive_plans SET begins = %s WHERE plan_id = %s"
        self._connection.execute(statement, (Jsonb(values), self.kept.plan.plan_id))

    def take_tasks(self) -> dict[TaskKey, Holder]:
        """Have the plan's tasks done again by this plan alone; gives those that another plan does.

        It holds what it got until it is forgotten, or finished without them.
        """
        steps = self.kept.plan.steps
        self._connection.execute(_TAKE, self._ask(steps))
        held = self._connection.execute(_HELD, self._ask(steps)).fetchall()
        return {(agent, task): Holder(plan_id=plan, new_task_id=new) for agent, task, plan, new in held}

    def take_over(self, steps: Mapping[Step, Holder]) -> set[TaskKey]:
        """Have tasks of other plans done again by this one, since theirs are over; gives those that it got.

        Args:
            steps: What this plan does, and who held its task; nobody else may have got it meanwhile.
        """
        if not steps:
            return set()
        asked = self._ask(list(steps), [holder.plan_id for holder in steps.values()])
        return {(agent, task) for agent, task in self._connection.execute(_TAKE_OVER, asked).fetchall()}

    def finish(self, result: dict[str, Any], published: Sequence[str]) -> None:
        """Note what was published, and let go of the rest.

        Args:
            result: As it is told.
            published: The new tasks that stand in the log.
        """
        statement: LiteralString = "UPDATE redrive_plans SET applied_at = now(), result = %s WHERE plan_id = %s"
        plan_id = self.kept.plan.plan_id
        with self._connection.transaction():
            self._connection.execute(statement, (Jsonb(result), plan_id))
            self._connection.execute(_RELEASE, (plan_id, list(published)))

    def _ask(self, steps: Sequence[Step], plans: Sequence[str] | None = None) -> dict[str, object]:
        return {
            "plan": self.kept.plan.plan_id,
            "queue": self.kept.plan.queue,
            "agents": [step.agent_id for step in steps],
            "tasks": [step.old_task_id for step in steps],
            "new": [step.task_id for step in steps],
            "plans": plans or [None] * len(steps),
        }

"""The plans of redrives, in PostgreSQL: kept for a day, and applied by one at a time."""

from __future__ import annotations

from collections.abc import Iterator
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
from mabos.streams.redrive_plans import RedrivePlan

_LOCK = 0x6D61626F + 3  # beside those of the view
_FIND: LiteralString = (
    "SELECT plan, begins, applied_at, result FROM redrive_plans"
    " WHERE plan_id = %s AND queue = %s AND expires_at > now()"
)


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
            connection.execute("DELETE FROM redrive_plans WHERE expires_at <= now()")
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

    def finish(self, result: dict[str, Any]) -> None:
        """Note what was published."""
        statement: LiteralString = "UPDATE redrive_plans SET applied_at = now(), result = %s WHERE plan_id = %s"
        self._connection.execute(statement, (Jsonb(result), self.kept.plan.plan_id))

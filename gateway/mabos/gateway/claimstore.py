"""The claim store: which task each ``Idempotency-Key`` of the last day stands for, in PostgreSQL, for all gateways.

A claim is written before its task is published, with a lease: for so long nobody else publishes the task. A claim whose
lease is over and that has no position yet is in doubt, and whoever asks next publishes its task again, under its name.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, LiteralString, TypeVar

import psycopg

from mabos.gateway.tables import SCHEMA, make_tables
from mabos.kafka.settings import Settings
from mabos.schemas.errors import MabosError
from mabos.streams.database import connect, explain
from mabos.streams.errors import DatabaseUnavailable
from mabos.streams.pool import Pool, Row

LIFE = timedelta(hours=24)
"""How long a key stands for its task."""
LEASE = timedelta(seconds=5)
"""How long whoever has a claim may take to publish its task, before somebody else publishes it again."""
SWEEP_S = 60.0
"""How often claims that stand for nothing any more are deleted, at most."""
_SWEPT_AT_ONCE = 1000
_LAST_WORDS_S = 1.0

log = logging.getLogger("mabos.gateway")

T = TypeVar("T")
Values = dict[str, object]

_TAKE: LiteralString = """
INSERT INTO claims AS had (claimed_at, leased_until, queue, caller, key, task_id, fingerprint)
VALUES (now(), now() + %(lease)s, %(queue)s, %(caller)s, %(key)s, %(task_id)s, %(fingerprint)s)
ON CONFLICT (queue, caller, key) DO UPDATE SET
    claimed_at = CASE WHEN had.claimed_at < now() - %(life)s THEN now() ELSE had.claimed_at END,
    task_id = CASE WHEN had.claimed_at < now() - %(life)s THEN excluded.task_id ELSE had.task_id END,
    leased_until = excluded.leased_until, fingerprint = excluded.fingerprint, position = NULL
WHERE had.claimed_at < now() - %(life)s
    OR (had.position IS NULL AND had.leased_until < now() AND had.fingerprint = excluded.fingerprint)
RETURNING task_id, NULL, leased_until, claimed_at = now(), true
"""
_LOOK: LiteralString = """
SELECT task_id, position, NULL, false, fingerprint = %(fingerprint)s FROM claims
WHERE (queue, caller, key) = (%(queue)s, %(caller)s, %(key)s) AND claimed_at >= now() - %(life)s
"""
_SETTLE: LiteralString = """
UPDATE claims SET position = coalesce(position, %(position)s)
WHERE (queue, caller, key) = (%(queue)s, %(caller)s, %(key)s) AND task_id = %(task_id)s
RETURNING position
"""
_DELETE: LiteralString = """
DELETE FROM claims
WHERE (queue, caller, key) = (%(queue)s, %(caller)s, %(key)s) AND leased_until = %(leased_until)s AND position IS NULL
"""
_RELEASE: LiteralString = """
UPDATE claims SET leased_until = now() - interval '1 microsecond'
WHERE (queue, caller, key) = (%(queue)s, %(caller)s, %(key)s) AND leased_until = %(leased_until)s
"""
_RENEW: LiteralString = """
UPDATE claims SET leased_until = now() + %(lease)s
WHERE (queue, caller, key) = (%(queue)s, %(caller)s, %(key)s) AND leased_until = %(leased_until)s AND position IS NULL
RETURNING leased_until
"""
_SAVE: LiteralString = """
INSERT INTO claimed_batches (saved_at, batch_id, positions) VALUES (now(), %(batch_id)s, %(positions)s)
ON CONFLICT (batch_id) DO UPDATE SET saved_at = excluded.saved_at, positions = excluded.positions
"""
_LOAD: LiteralString = "SELECT positions FROM claimed_batches WHERE batch_id = %(batch_id)s"
_SWEEP: LiteralString = """
WITH batches AS (
    DELETE FROM claimed_batches WHERE saved_at < now() - %(life)s
), swept AS (
    DELETE FROM claims WHERE (queue, caller, key) IN (
        SELECT queue, caller, key FROM claims WHERE claimed_at < now() - %(life)s
        ORDER BY claimed_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ) RETURNING 1
) SELECT count(*) FROM swept
"""


def fingerprint_of(asked: object) -> bytes:
    """What two requests for the same JSON have in common: neither blanks nor the order of members matter."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True, separators=(",", ":")).encode()).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimant:
    """Who claims, and under which key."""

    caller: str
    """As :class:`mabos.gateway.principals.Principal` names it."""
    key: str
    """What the header said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a key stands for."""

    task_id: str
    """The task."""
    position: str | None
    """Where it stands; None until that is known."""
    leased_until: datetime | None
    """Who got this claim publishes the task, by then; None for everybody else."""
    is_new: bool
    """Whether nobody had the key before."""
    is_same: bool
    """Whether the task that was asked for is the claim's."""


class ClaimStore:
    """Keeps claims, for one event loop, through a few connections that it opens when they are needed.

    Args:
        settings: Where the database is, and which queue.
        connections: How many statements may run at once; more of them wait.
        timeout_s: The longest that one call takes, whatever the database does.
    """

    def __init__(self, settings: Settings, *, connections: int = 8, timeout_s: float = 5.0) -> None:
        self._settings, self._timeout_s = settings, timeout_s
        session = {
            "search_path": SCHEMA,
            "timezone": "UTC",
            "synchronous_commit": "on",  # a claim that was answered for must not be forgotten: it waits for the disk
            "statement_timeout": f"{round(timeout_s * 1000)}ms",
        }
        self._pool = Pool(settings, session, self._make_tables, connections=connections)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sweep_at_s = 0.0

    async def take(self, who: Claimant, fingerprint: bytes, task_id: str) -> Claim:
        """Claim a key for a task, or find out what it stands for. It is atomic: of many at once, one gets it.

        Args:
            who: Whose key.
            fingerprint: Of the task as it was asked for.
            task_id: The task, if nobody had the key before.

        Raises:
            DatabaseUnavailable: No database answers in time, or it does not let us in.
            DatabaseRefused: A right is missing.
        """
        values = self._name(who) | {"fingerprint": fingerprint, "task_id": task_id, "lease": LEASE, "life": LIFE}
        while True:
            row = await self._run(_TAKE, values) or await self._run(_LOOK, values)
            if row is not None:  # else it was given up, or swept, between the two
                break
        self._begin_sweep()
        return Claim(task_id=row[0], position=row[1], leased_until=row[2], is_new=row[3], is_same=row[4])

    async def settle(self, who: Claimant, claim: Claim, position: str) -> str:
        """The task is stored: write down where.

        Returns:
            Where it stands for everybody: what was written down first.

        Raises:
            DatabaseUnavailable: No database answers in time, or it does not let us in.
            DatabaseRefused: A right is missing.
        """
        row = await self._run(_SETTLE, self._name(who) | {"position": position, "task_id": claim.task_id})
        return position if row is None else str(row[0])

    async def give_up(self, who: Claimant, claim: Claim, *, may_be_stored: bool) -> None:
        """The task was not published, as far as is known: let the next who asks do it, at once.

        Args:
            who: Whose key.
            claim: As it was got.
            may_be_stored: Whether the task may stand in the log all the same. If not, a new key is free again.

        Raises:
            DatabaseUnavailable: No database answers in time, or it does not let us in.
            DatabaseRefused: A right is missing.
        """
        statement = _DELETE if claim.is_new and not may_be_stored else _RELEASE
        await self._run(statement, self._name(who) | {"leased_until": claim.leased_until})

    async def renew(self, who: Claimant, claim: Claim) -> Claim | None:
        """Have a lease for longer; None if somebody else has got it, or it is over.

        Raises:
            DatabaseUnavailable: No database answers in time, or it does not let us in.
            DatabaseRefused: A right is missing.
        """
        row = await self._run(_RENEW, self._name(who) | {"lease": LEASE, "leased_until": claim.leased_until})
        return None if row is None else replace(claim, leased_until=row[0])

    async def save_positions(self, batch_id: str, positions: Sequence[str | None]) -> None:
        """Write down which items of a batch are stored, and where.

        Raises:
            DatabaseUnavailable: No database answers in time, or it does not let us in.
            DatabaseRefused: A right is missing.
        """
        await self._run(_SAVE, {"batch_id": batch_id, "positions": list(positions)})

    async def load_positions(self, batch_id: str) -> list[str | None]:
        """What was last written down of a batch; empty if nothing was.

        Raises:
            DatabaseUnavailable: No database answers in time, or it does not let us in.
            DatabaseRefused: A right is missing.
        """
        row = await self._run(_LOAD, {"batch_id": batch_id})
        return [] if row is None else list(row[0])

    async def close(self) -> None:
        """Let what is under way end, or have it end, and close the connections."""
        if self._tasks:  # first wait: psycopg does not close a connection that is cut off while it opens
            await asyncio.wait(self._tasks, timeout=_LAST_WORDS_S)
        for task in self._tasks:
            task.cancel()
        if self._tasks:  # each closes its own; psycopg takes some seconds to leave a database that is frozen
            await asyncio.wait(self._tasks, timeout=self._timeout_s)
        await self._pool.close()

    def _name(self, who: Claimant) -> Values:
        return {"queue": self._settings.queue, "caller": who.caller, "key": who.key}

    def _begin_sweep(self) -> None:
        """Delete old claims, in the background; only where claims are made: a gateway without keys has no database."""
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._sweep_at_s:
            self._sweep_at_s = now_s + SWEEP_S
            self._start(self._sweep())

    async def _sweep(self) -> None:
        with suppress(MabosError):  # the next time
            while row := await self._run(_SWEEP, {"life": LIFE, "limit": _SWEPT_AT_ONCE}):
                if row[0] < _SWEPT_AT_ONCE:
                    return

    async def _run(self, statement: LiteralString, values: Values) -> Row | None:
        """The first row that a statement gives, if any."""
        running = self._start(self._run_once(statement, values))
        try:
            # not a timeout round it: psycopg takes some seconds to leave a database that is frozen
            await asyncio.wait({running}, timeout=self._timeout_s)
            if running.done():
                return running.result()
        except psycopg.Error as error:
            raise explain(self._settings, error) from error
        finally:
            running.cancel()
        raise DatabaseUnavailable(f"PostgreSQL has not answered within {self._timeout_s:g} s")

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._end)
        return task

    def _end(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited has it; of one that nobody waits for any more nobody wants to know

    async def _run_once(self, statement: LiteralString, values: Values) -> Row | None:
        try:
            rows = await self._pool.run(statement, values)
        except psycopg.errors.UndefinedTable:  # the database was made anew meanwhile
            await self._pool.reset()
            rows = await self._pool.run(statement, values)
        return rows[0] if rows else None

    def _make_tables(self) -> None:
        with connect(self._settings, SCHEMA) as connection:
            make_tables(connection)

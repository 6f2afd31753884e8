"""The store: applies batches to the tables of a view, each in one transaction together with its offsets.

Of two projectors that hold one partition, only the one that took it last can change anything: the other's epoch is
over.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString, cast

import psycopg
from psycopg.abc import Buffer
from psycopg.copy import LibpqWriter

from mabos.streams.batch import Batch, Poison
from mabos.streams.database import Connection
from mabos.streams.letter_rows import LetterRow
from mabos.streams.places import Claim, Place
from mabos.streams.references import Reference
from mabos.streams.task_rows import OUTCOMES, Changes, Key, MinuteKey, MinuteRow, TaskRow, fold

_FOLDER = Path(__file__).with_name("sql")
_TASK_COLUMNS = (
    "is_new, requested_ms, request_offset, response_offset, deadline_ms, started_ms, answered_ms, progress_ms, "
    "progress_offset, cancel_requested_ms, partition, response_partition, progress_partition, attempt, "
    "duplicates, superseded, error_retryable, state, task_id, agent_id, action, parent_task_id, "
    "parent_agent_id, replay_of_task_id, replay_of_agent_id, redrive_of_task_id, redrive_of_agent_id, "
    "error_code, error_message, cancel_reason, payload, result, progress"
)
_LETTER_COLUMNS = (
    'dead_at, "offset", partition, attempts, is_whole, code, message, cause_id, agent_id, task_id, action, origin'
)
_NOBODY = (None, None)
_MET = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)
_MOST_MEETINGS = 20
_MOST_SAMPLING = "5s"


def read_sql(name: str) -> LiteralString:
    """A statement of this room's ``sql`` folder."""
    return cast(LiteralString, (_FOLDER / f"{name}.sql").read_text(encoding="utf-8"))  # type: ignore[redundant-cast]  # for pyright


_FIND_TASKS, _INSERT_TASKS, _UPDATE_TASKS = map(read_sql, ("find_tasks", "insert_tasks", "update_tasks"))
_WRITE_MINUTES, _COUNT_STATES = map(read_sql, ("write_minutes", "count_states"))
_MOVE, _TAKE, _STAGING = map(read_sql, ("move_partitions", "take_partitions", "staging"))
_FORGET, _FORGET_AGENTS, _FORGET_LETTERS = map(read_sql, ("forget_tasks", "forget_agents", "forget_letters"))
_SAMPLE = read_sql("sample_backlog")


class Fenced(Exception):
    """A partition is not ours any more, or not where we left it; nothing was changed."""


class RecordRefused(Exception):
    """PostgreSQL refuses a value of this batch; nothing was changed."""


class Store:
    """Writes one schema's tables through one connection.

    Args:
        connection: Its SQL means the tables of the schema; it is the store's own from now on.

    Every method raises ``psycopg.OperationalError`` when the database went away; the store is of no more use then.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        connection.autocommit = False
        # Two projectors may meet in one row, when a foreign program answered in another partition than the request's:
        # then one of the two is told to do it again.
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with connection.transaction():
            connection.execute(_STAGING)
            # the planner knows nothing of a batch's keys: there are thousands, and millions of rows
            connection.execute("SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off")

    def take(self, places: Iterable[Place]) -> dict[Place, Claim]:
        """Take partitions from whoever has them."""
        wanted = sorted(places)
        while True:
            try:
                with self._connection.transaction():
                    rows = self._connection.execute(
                        _TAKE, ([place.topic for place in wanted], [place.partition for place in wanted])
                    ).fetchall()
            except _MET:
                continue  # another projector takes them in this moment
            return {
                Place(topic, partition): Claim(epoch=epoch, next_offset=next_offset)
                for topic, partition, next_offset, epoch in rows
            }

    def apply(self, batch: Batch, claims: Mapping[Place, Claim]) -> None:
        """Apply a batch to partitions that were taken.

        Raises:
            Fenced: One of them was taken by another, or is not where it was left.
            RecordRefused: PostgreSQL refuses a value.
        """
        for number in itertools.count(1):
            try:
                with self._connection.transaction():
                    self._apply(batch, claims)
            except _MET:
                continue  # it met another projector in one row: read that row again
            except psycopg.errors.UniqueViolation:
                if number == _MOST_MEETINGS:  # then it is no row of that kind that is in the way
                    raise
                continue
            except (psycopg.DataError, psycopg.errors.ProgramLimitExceeded) as error:
                raise RecordRefused(str(error).strip().splitlines()[0]) from error
            return

    def forget_before(self, limit: datetime, *, at_most: int) -> int:
        """Delete the oldest tasks, dead letters, minutes and samples from before a moment.

        Returns:
            How many tasks were deleted, or letters if those were more; fewer than ``at_most`` when no more are left.
        """
        while True:
            with suppress(*_MET), self._connection.transaction():
                return self._forget_before(limit, at_most)  # else it met another projector in one row

    def sample_backlog(self, claims: Mapping[Place, Claim], at: datetime) -> None:
        """Write down what waits in partitions of the requests; of one that was taken by another, nothing.

        Args:
            claims: The partitions.
            at: The moment that it is true of, aware.

        Raises:
            psycopg.errors.QueryCanceled: It took too long; nothing was changed.
        """
        values = {
            "at": at,
            "topic": next((place.topic for place in claims), None),
            "partitions": [place.partition for place in claims],
            "epochs": [claim.epoch for claim in claims.values()],
        }
        # where another took one of them in this moment, there is no sample, and the next comes soon
        with suppress(*_MET), self._connection.transaction():
            self._connection.execute("SELECT set_config('statement_timeout', %s, true)", (_MOST_SAMPLING,))
            self._connection.execute(_SAMPLE, values)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _apply(self, batch: Batch, claims: Mapping[Place, Claim]) -> None:
        moved = [(place, claims[place], end) for place, end in batch.ends.items()]
        done = self._connection.execute(
            _MOVE,
            (
                [place.topic for place, _, _ in moved],
                [place.partition for place, _, _ in moved],
                [claim.epoch for _, claim, _ in moved],
                [claim.next_offset for _, claim, _ in moved],
                [end for _, _, end in moved],
            ),
        )
        if done.rowcount != len(moved):
            raise Fenced
        if batch.entries:
            found = self._find({entry.key for entry in batch.entries})
            self._write(fold(batch.entries, found), found)
        if batch.letters:
            self._file(batch.letters)
        if batch.poison:
            self._note(batch.poison)

    def _forget_before(self, limit: datetime, at_most: int) -> int:
        tasks, agent_ids = self._connection.execute(_FORGET, (limit, at_most)).fetchone() or (0, None)
        if agent_ids:
            self._connection.execute(_FORGET_AGENTS, (agent_ids,))
        letters = self._connection.execute(_FORGET_LETTERS, (limit, at_most)).rowcount
        for table in ("agent_minutes", "backlog_minutes"):
            self._connection.execute(f"DELETE FROM {table} WHERE minute < %s", (limit,))  # noqa: S608 - our own names
        return max(int(tasks), letters)

    def _find(self, keys: Collection[Key]) -> dict[Key, TaskRow]:
        task_ids, agent_ids = zip(*keys, strict=True)
        with self._connection.cursor(binary=True) as cursor:
            cursor.execute(_FIND_TASKS, (list(task_ids), list(agent_ids)))
            return {(found[0], found[1]): _to_row(found) for found in cursor}

    def _write(self, changes: Changes, found: Mapping[Key, TaskRow]) -> None:
        with self._connection.cursor() as cursor:
            with cursor.copy(f"COPY new_tasks ({_TASK_COLUMNS}) FROM STDIN", writer=_AtOnce(cursor)) as copy:
                for row in changes.rows:
                    copy.write_row(_to_values(row, is_new=(row.task_id, row.agent_id) not in found))
            cursor.execute(_INSERT_TASKS)
            if found:
                cursor.execute(_UPDATE_TASKS)
            if changes.minutes:
                with cursor.copy("COPY new_minutes FROM STDIN", writer=_AtOnce(cursor)) as copy:
                    for key, minute in changes.minutes.items():
                        copy.write_row(_to_minute_values(key, minute))
                cursor.execute(_WRITE_MINUTES)
            if changes.states:
                agent_ids, states = zip(*changes.states, strict=True)
                cursor.execute(_COUNT_STATES, (list(agent_ids), list(states), list(changes.states.values())))

    def _file(self, letters: Sequence[LetterRow]) -> None:
        with (
            self._connection.cursor() as cursor,
            cursor.copy(f"COPY dead_letters ({_LETTER_COLUMNS}) FROM STDIN") as copy,
        ):
            for row in letters:
                copy.write_row(
                    (
                        *(datetime.fromtimestamp(row.at_ms / 1000, UTC), row.offset, row.place.partition, row.attempts),
                        *(row.is_whole, row.code, row.message, row.cause_id, row.agent_id, row.task_id, row.action),
                        row.origin,
                    )
                )

    def _note(self, poison: Sequence[Poison]) -> None:
        values = [
            (*found.place, found.offset, found.code, found.cause, datetime.fromtimestamp(found.at_ms / 1000, UTC))
            for found in poison
        ]
        with self._connection.cursor() as cursor:
            cursor.executemany("INSERT INTO poisoned VALUES (%s, %s, %s, %s, %s, %s)", values)


class _AtOnce(LibpqWriter):
    """Sends a COPY when all of it is there: each time that data are sent, the thread that reads ahead takes over."""

    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        super().__init__(cursor)
        self._parts: list[Buffer] = []

    def write(self, data: Buffer) -> None:
        self._parts.append(data)

    def finish(self, exc: BaseException | None = None) -> None:
        if exc is None:
            super().write(b"".join(self._parts))
        super().finish(exc)


def _to_values(row: TaskRow, *, is_new: bool) -> tuple[Any, ...]:
    """A row as ``COPY new_tasks`` takes it."""
    return (
        is_new,
        row.requested_at_ms,
        row.request_offset,
        row.response_offset,
        row.deadline_ms,
        row.started_at_ms,
        row.answered_at_ms,
        row.progress_at_ms,
        row.progress_offset,
        row.cancel_requested_at_ms,
        row.request_partition,
        row.response_partition,
        row.progress_partition,
        row.attempt,
        row.duplicates,
        row.superseded,
        row.error_retryable,
        row.state,
        row.task_id,
        row.agent_id,
        row.action,
        *(row.parent or _NOBODY),
        *(row.replay_of or _NOBODY),
        *(row.redrive_of or _NOBODY),
        row.error_code,
        row.error_message,
        row.cancel_reason,
        row.payload,
        row.result,
        row.progress,
    )


def _to_minute_values(key: MinuteKey, minute: MinuteRow) -> tuple[Any, ...]:
    """A minute as ``COPY new_minutes`` takes it."""
    counts = [minute.counts[name] for name in ("requested", *OUTCOMES)]
    histograms = (_to_array(minute.wait_counts), _to_array(minute.run_counts))
    return (*key, *counts, minute.wait_ms_sum, minute.run_ms_sum, *histograms)


def _to_array(numbers: Sequence[int]) -> str:
    """PostgreSQL's text of an array: psycopg's way costs ten times as much."""
    return "{" + ",".join(map(str, numbers)) + "}"


def _to_row(found: tuple[Any, ...]) -> TaskRow:
    """A row as ``find_tasks.sql`` gives it."""
    (task_id, agent_id, requested_ms, partition, offset, deadline_ms, action, duplicates, *rest) = found
    parent, replay_of, redrive_of = (None if rest[n] is None else Reference(rest[n], rest[n + 1]) for n in (0, 2, 4))
    (response_partition, response_offset, answered_ms, state, superseded, attempt, started_ms) = rest[6:13]
    (error_code, error_message, error_retryable) = rest[13:16]
    (progress_partition, progress_offset, progress_ms, cancel_ms, cancel_reason) = rest[16:]
    return TaskRow(
        task_id=task_id,
        agent_id=agent_id,
        requested_at_ms=requested_ms,
        request_partition=partition,
        request_offset=offset,
        deadline_ms=deadline_ms,
        action=action,
        duplicates=duplicates,
        parent=parent,
        replay_of=replay_of,
        redrive_of=redrive_of,
        response_partition=response_partition,
        response_offset=response_offset,
        answered_at_ms=answered_ms,
        status=None if response_offset is None else state,
        superseded=superseded,
        attempt=attempt,
        started_at_ms=started_ms,
        error_code=error_code,
        error_message=error_message,
        error_retryable=error_retryable,
        progress_partition=progress_partition,
        progress_offset=progress_offset,
        progress_at_ms=progress_ms,
        cancel_requested_at_ms=cancel_ms,
        cancel_reason=cancel_reason,
    )

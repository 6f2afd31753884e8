"""The replay store: replays that gateways run, in PostgreSQL, so that any gateway can show, stop and go on with each.

Whoever runs a replay holds it: a name of that run alone stands in its row, and a beat every second says that it is at
work. One that has not beaten for :data:`GONE_S` is interrupted, and another may hold it. A holder that cannot beat
stops by itself well before (see :mod:`mabos.gateway.replayruns`), so that no two publish at the same time.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Literal, LiteralString

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from mabos.gateway.tables import SCHEMA, make_tables
from mabos.kafka.settings import Settings
from mabos.streams.database import Connection, connect, explain

GONE_S = 25.0
"""After so long without a beat nobody is at work on a replay, nor is anything that it published on its way."""
MAX_KEPT = 200
"""How many replays of a queue are kept."""

Kind = Literal["inspect", "reprocess"]
State = Literal["counting", "ready", "running", "stopped", "done", "failed", "interrupted"]

_IS_ACTIVE: LiteralString = "state IN ('counting', 'running')"
_IS_GONE: LiteralString = f"({_IS_ACTIVE} AND beat_at < now() - make_interval(secs => %(gone_s)s))"
_COLUMNS: LiteralString = (
    "replay_id, queue, kind, created_by, wanted, rate_per_s, created_at, started_at, done, total, unit, speed_per_s,"
    f" plan, counts, remarks, error, published, CASE WHEN {_IS_GONE} THEN 'interrupted' ELSE state END AS state,"
    f" CASE WHEN {_IS_GONE} THEN beat_at ELSE ended_at END AS ended_at"
)
_INSERT: LiteralString = (
    "INSERT INTO replays (replay_id, queue, kind, created_by, wanted, rate_per_s, state, holder, started_at, beat_at)"
    " VALUES (%(replay_id)s, %(queue)s, %(kind)s, %(created_by)s, %(wanted)s, %(rate_per_s)s, %(state)s, %(holder)s,"
    f" now(), now()) RETURNING {_COLUMNS}"
)
_SWEEP: LiteralString = (
    f"DELETE FROM replays WHERE queue = %(queue)s AND (NOT {_IS_ACTIVE} OR {_IS_GONE}) AND replay_id NOT IN"
    " (SELECT replay_id FROM replays WHERE queue = %(queue)s ORDER BY created_at DESC LIMIT %(kept)s)"
)
_LIST: LiteralString = (
    f"SELECT {_COLUMNS} FROM replays WHERE queue = %(queue)s ORDER BY created_at DESC, replay_id LIMIT %(kept)s"
)
_FIND: LiteralString = f"SELECT {_COLUMNS} FROM replays WHERE queue = %(queue)s AND replay_id = %(replay_id)s"
_HOLD: LiteralString = (
    "UPDATE replays SET state = 'running', holder = %(holder)s, started_at = now(), beat_at = now(), ended_at = NULL,"
    " wants_stop = false, error = NULL, speed_per_s = NULL, unit = 'tasks', done = coalesce(published, 0),"
    " total = (counts->>'tasks')::bigint, published = coalesce(published, 0)"
    " WHERE queue = %(queue)s AND replay_id = %(replay_id)s AND kind = 'reprocess' AND plan IS NOT NULL"
    f" AND counts IS NOT NULL AND (state IN ('ready', 'stopped', 'failed') OR {_IS_GONE}) RETURNING {_COLUMNS}"
)
_BEAT: LiteralString = (
    "UPDATE replays SET beat_at = now(), done = %(done)s, total = %(total)s, unit = %(unit)s,"
    " speed_per_s = %(speed_per_s)s, published = coalesce(%(published)s, published)"
    f" WHERE replay_id = %(replay_id)s AND holder = %(holder)s AND {_IS_ACTIVE} RETURNING wants_stop"
)
_PLAN: LiteralString = (
    "UPDATE replays SET plan = %(plan)s, beat_at = now() WHERE replay_id = %(replay_id)s AND holder = %(holder)s"
)
_END: LiteralString = (
    "UPDATE replays SET state = %(state)s, ended_at = now(), holder = NULL, error = %(error)s, remarks = %(remarks)s,"
    " counts = coalesce(%(counts)s, counts), published = coalesce(%(published)s, published), done = %(done)s,"
    " total = %(total)s, unit = %(unit)s, speed_per_s = %(speed_per_s)s"
    f" WHERE replay_id = %(replay_id)s AND holder = %(holder)s AND {_IS_ACTIVE}"
)
_ASK_STOP: LiteralString = (
    "UPDATE replays SET wants_stop = true WHERE queue = %(queue)s AND replay_id = %(replay_id)s"
    f" AND {_IS_ACTIVE} AND NOT {_IS_GONE} RETURNING {_COLUMNS}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRow:
    """A replay as the store has it."""

    replay_id: str
    queue: str
    kind: Kind
    state: State
    created_by: str
    wanted: Mapping[str, Any]
    """What was asked for, in its JSON shape."""
    rate_per_s: float | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    done: int
    total: int | None
    unit: str
    speed_per_s: float | None
    plan: Mapping[str, Any] | None
    counts: Mapping[str, Any] | None
    remarks: builtins.list[str]
    error: str | None
    published: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """How far a run is."""

    done: int = 0
    total: int | None = None
    unit: str = "records"
    speed_per_s: float | None = None
    """How much it does a second."""
    published: int | None = None
    """How many of the replay's tasks stand in the log; None before it publishes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a run ended."""

    state: State
    pulse: Pulse
    counts: Mapping[str, Any] | None = None
    """What it found; None to leave what was found before."""
    remarks: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Who is at work on a replay."""

    replay_id: str
    holder: str = field(repr=False)
    """A name of this run alone."""


class ReplayStore:
    """Keeps the replays of a queue. Each call blocks, and is a connection of its own.

    All of them raise ``DatabaseUnavailable`` where nothing answers, and ``DatabaseRefused`` where a right is missing.

    Args:
        settings: Where the database is, and the queue.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._has_tables = False

    def insert(self, hold: Hold, wanted: Mapping[str, Any], *, kind: Kind, created_by: str) -> ReplayRow:
        """Keep a new replay, held by who makes it; the oldest go, where there are too many."""
        values = {
            "kind": kind,
            "created_by": created_by,
            "wanted": Jsonb(wanted),
            "rate_per_s": wanted.get("rate_per_s"),
            "state": "running" if kind == "inspect" else "counting",
        }
        with self._tables() as connection:
            made = self._one(connection, _INSERT, hold, **values)
            connection.execute(_SWEEP, self._values(hold))
        assert made is not None  # noqa: S101 - an INSERT returns its row
        return made

    def list(self) -> list[ReplayRow]:
        """The replays, newest first."""
        with self._tables() as connection, connection.cursor(row_factory=dict_row) as cursor:
            return [ReplayRow(**row) for row in cursor.execute(_LIST, self._values(None))]

    def find(self, replay_id: str) -> ReplayRow | None:
        """A replay; None if there is none."""
        with self._tables() as connection:
            return self._one(connection, _FIND, Hold(replay_id=replay_id, holder=""))

    def hold(self, hold: Hold) -> ReplayRow | None:
        """Begin to publish a replay, or go on; None where that cannot be, as while another is at work on it."""
        with self._tables() as connection:
            return self._one(connection, _HOLD, hold)

    def ask_stop(self, replay_id: str) -> ReplayRow | None:
        """Have a replay's holder hear that somebody wants it to stop; None if nobody is at work on it."""
        with self._tables() as connection:
            return self._one(connection, _ASK_STOP, Hold(replay_id=replay_id, holder=""))

    def beat(self, hold: Hold, pulse: Pulse) -> bool | None:
        """Say that the holder is at work; whether somebody wants it to stop, or None if it holds the replay no more."""
        with self._tables() as connection:
            row = connection.execute(_BEAT, self._values(hold) | asdict(pulse)).fetchone()
        return None if row is None else bool(row[0])

    def save_plan(self, hold: Hold, plan: Mapping[str, Any]) -> None:
        """Keep what the replay reads."""
        with self._tables() as connection:
            connection.execute(_PLAN, self._values(hold) | {"plan": Jsonb(plan)})

    def end(self, hold: Hold, ended: Ended) -> None:
        """Keep how a run ended; if it is held by another by now, nothing changes."""
        counts = None if ended.counts is None else Jsonb(ended.counts)
        values = {"state": ended.state, "counts": counts, "remarks": [*ended.remarks], "error": ended.error}
        with self._tables() as connection:
            connection.execute(_END, self._values(hold) | asdict(ended.pulse) | values)

    def _one(self, connection: Connection, query: LiteralString, hold: Hold, **values: object) -> ReplayRow | None:
        with connection.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute(query, self._values(hold) | values).fetchone()
        return None if row is None else ReplayRow(**row)

    def _values(self, hold: Hold | None) -> dict[str, Any]:
        held = {} if hold is None else {one.name: getattr(hold, one.name) for one in fields(hold)}
        return held | {"queue": self._settings.queue, "gone_s": GONE_S, "kept": MAX_KEPT}

    @contextmanager
    def _tables(self) -> Iterator[Connection]:
        """A transaction in which the tables are there."""
        try:
            with connect(self._settings, SCHEMA) as connection:
                connection.execute("SET LOCAL statement_timeout = '5s'")
                connection.execute("SET LOCAL synchronous_commit = on")  # what somebody holds must not be forgotten
                if not self._has_tables:
                    make_tables(connection)
                yield connection
            self._has_tables = True
        except psycopg.Error as error:
            self._has_tables = False  # it may be another database by now
            raise explain(self._settings, error) from error

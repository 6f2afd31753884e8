"""The database of the task view: connections, and one PostgreSQL schema per queue and generation.

SQL never names a schema: ``search_path`` does. The view that people read is in the schema that :func:`live_schema`
names; a new generation is made beside it, in :func:`next_schema`, and takes its place by :func:`swap_generations`.
"""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path
from typing import Any

import psycopg
import structlog
from psycopg import sql

from mabos.kafka.database_address import show_database
from mabos.kafka.settings import Settings
from mabos.streams.errors import DatabaseRefused, DatabaseUnavailable, ViewMissing

log = structlog.stdlib.get_logger("mabos.view")

Connection = psycopg.Connection[tuple[Any, ...]]

_FOLDER = Path(__file__).with_name("sql")
VIEW_SQL = _FOLDER / "view.sql"
VERSION = 1
"""The version of ``view.sql``; what was added beside it later is made where it is missing."""

_ADDED = ("dead_letters", "backlog_minutes", "agent_states")

_CONNECT_TIMEOUT_S = 5
_OLDEST = 150_000
_MAX_NAME = 58  # PostgreSQL's names have 63 bytes, and a generation's prefix takes 5
_PREFIX, _NEXT, _OLD = "mabos_", "next_", "old_"


def live_schema(queue: str) -> str:
    """The schema of a queue's view, such as ``mabos_tasks``."""
    name = _PREFIX + queue.replace("-", "_")
    if len(name) <= _MAX_NAME:
        return name
    return f"{name[:41]}_{hashlib.sha256(queue.encode()).hexdigest()[:16]}"


def next_schema(queue: str) -> str:
    """The schema in which a queue's view is made anew; no queue's own schema has such a name."""
    return _NEXT + live_schema(queue)


def connect(settings: Settings, schema: str, *, autocommit: bool = False) -> Connection:
    """A connection whose SQL means the tables of one schema.

    Args:
        settings: Where the database is.
        schema: The schema; it need not exist yet.
        autocommit: Whether each statement is a transaction of its own.

    Raises:
        DatabaseUnavailable: Nothing answers, or it does not let us in.
        DatabaseRefused: It is older than PostgreSQL 15.
    """
    url = settings.database_url.get_secret_value()
    try:
        connection: Connection = psycopg.connect(
            url, connect_timeout=_CONNECT_TIMEOUT_S, application_name="mabos", autocommit=True
        )
        connection.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema)))
        connection.execute("SET timezone = 'UTC'")
    except psycopg.Error as error:
        raise explain(settings, error) from error
    if connection.info.server_version < _OLDEST:
        version = connection.info.server_version // 10_000
        connection.close()
        raise DatabaseRefused(f"PostgreSQL at {show_database(url)} is version {version}: 15 or newer is needed")
    connection.autocommit = autocommit
    return connection


def explain(settings: Settings, error: psycopg.Error) -> DatabaseUnavailable | DatabaseRefused:
    """What an error of the database means, in one line."""
    place = show_database(settings.database_url.get_secret_value())
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = next((line for line in lines if "FATAL" in line), lines[-1] if lines else type(error).__name__)
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        if "FATAL" in reason:
            told = reason.rpartition("FATAL:")[2].strip()
            return DatabaseUnavailable(f"PostgreSQL at {place} lets nobody in: {told}")
        return DatabaseUnavailable(
            f"no PostgreSQL answers at {place}: start one with `mabos up`, or set MABOS_DATABASE_URL"
        )
    if isinstance(error, psycopg.errors.UndefinedTable):
        return DatabaseRefused("the view lacks a table of this version: run `mabos view run`, which makes it")
    return DatabaseRefused(f"PostgreSQL at {place} refuses: {reason}")


def ensure_view(settings: Settings, schema: str) -> None:
    """Make the tables of a schema, where they are missing. Safe to repeat, and by several at once.

    Raises:
        DatabaseUnavailable: Nothing answers, or it does not let us in.
        DatabaseRefused: A right is missing, or the tables are of another version.
    """
    try:
        with connect(settings, schema) as connection:
            _lock(connection, schema)
            if not _has_schema(connection, schema):
                connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
            if not _find_version(connection, schema):
                connection.execute(VIEW_SQL.read_bytes())
            require_version(connection, schema)
            missing = [table for table in _ADDED if not _has_table(connection, schema, table)]
            if "agent_states" in missing and connection.execute("SELECT FROM tasks LIMIT 1").fetchone() is not None:
                log.info("counting the tasks of the view, once: this takes a while where they are millions")
            for table in missing:
                connection.execute((_FOLDER / f"{table}.sql").read_bytes())
    except psycopg.Error as error:
        raise explain(settings, error) from error


def require_view(settings: Settings, schema: str) -> Connection:
    """A connection to a view that is there, for reading: each statement sees the whole batches before it.

    Raises:
        DatabaseUnavailable: Nothing answers, or it does not let us in.
        DatabaseRefused: The tables are of another version.
        ViewMissing: There is no view in this schema.
    """
    connection = connect(settings, schema, autocommit=True)
    try:
        require_version(connection, schema)
    except BaseException:
        connection.close()
        raise
    return connection


def require_version(connection: Connection, schema: str) -> None:
    """Refuse tables that this program does not know.

    Raises:
        DatabaseRefused: They are of another version.
        ViewMissing: There are none.
    """
    version = _find_version(connection, schema)
    if not version:
        raise ViewMissing("this queue has no view yet: run `mabos view run`, or `mabos up`")
    if version != VERSION:
        raise DatabaseRefused(f"the view is of version {version}, this program of {VERSION}: run `mabos view rebuild`")


def drop_generation(settings: Settings, schema: str) -> None:
    """Drop a schema and all in it, if it is there.

    Raises:
        DatabaseUnavailable: Nothing answers, or it does not let us in.
        DatabaseRefused: A right is missing.
    """
    try:
        with connect(settings, schema) as connection:
            _lock(connection, schema)
            connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))
    except psycopg.Error as error:
        raise explain(settings, error) from error


def swap_generations(settings: Settings, queue: str) -> None:
    """Put the next generation of a queue's view in the place of the live one, which is dropped.

    One transaction: a reader sees the one or the other. A projector of the live one finds that its partitions are not
    its own any more, takes them anew, and goes on where the new generation ends.

    Raises:
        DatabaseUnavailable: Nothing answers, or it does not let us in.
        DatabaseRefused: There is no next generation, or a right is missing.
    """
    live, following = live_schema(queue), next_schema(queue)
    old = sql.Identifier(_OLD + live)
    try:
        with connect(settings, live) as connection:
            _lock(connection, live)
            connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(old))
            if _has_schema(connection, live):
                # its epochs go on: what was taken in the live one is taken from whoever has it
                lock = sql.SQL("LOCK TABLE {}.partitions IN EXCLUSIVE MODE")
                connection.execute(lock.format(sql.Identifier(live)))
                connection.execute(
                    sql.SQL(
                        "UPDATE {new}.partitions SET epoch = partitions.epoch + before.epoch"
                        " FROM {live}.partitions before"
                        " WHERE (before.topic, before.partition) = (partitions.topic, partitions.partition)"
                    ).format(new=sql.Identifier(following), live=sql.Identifier(live))
                )
                if _has_table(connection, live, "backlog_minutes"):  # nobody can make these anew
                    connection.execute(
                        sql.SQL("INSERT INTO {new}.backlog_minutes TABLE {live}.backlog_minutes").format(
                            new=sql.Identifier(following), live=sql.Identifier(live)
                        )
                    )
                connection.execute(sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(sql.Identifier(live), old))
            rename = sql.SQL("ALTER SCHEMA {} RENAME TO {}")
            connection.execute(rename.format(sql.Identifier(following), sql.Identifier(live)))
            connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(old))
    except psycopg.Error as error:
        raise explain(settings, error) from error


def _lock(connection: Connection, schema: str) -> None:
    """Until the end of the transaction nobody else makes, drops or swaps this queue's view."""
    name = schema.removeprefix(_NEXT)
    connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (0x6D61626F, zlib.crc32(name.encode()) - 2**31))


def _has_schema(connection: Connection, schema: str) -> bool:
    found = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone()
    return found is not None


def _has_table(connection: Connection, schema: str, table: str) -> bool:
    found = connection.execute("SELECT to_regclass(%s)", (f'"{schema}".{table}',)).fetchone()
    return found is not None and found[0] is not None


def _find_version(connection: Connection, schema: str) -> int:
    """The version of the tables in a schema; 0 if there are none."""
    if not _has_table(connection, schema, "view_version"):
        return 0
    row = connection.execute("SELECT version FROM view_version").fetchone()
    return 0 if row is None else int(row[0])

"""The gateway's own tables in PostgreSQL, made where they are missing by whoever needs them first."""

from __future__ import annotations

from pathlib import Path

from mabos.streams.database import Connection

SCHEMA = "mabos_gateway"
"""The PostgreSQL schema of the gateway's own tables: one for all queues."""

_SQL = [Path(__file__).with_name("sql") / name for name in ("gateway.sql", "replays.sql")]
_LOCK = 0x6D61626F, 0  # as the view's locks, with a number that no view has


def make_tables(connection: Connection) -> None:
    """Make the tables that are missing, in the transaction of a connection to :data:`SCHEMA`.

    Raises:
        psycopg.Error: A right is missing, or the connection is lost.
    """
    connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", _LOCK)
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    for file in _SQL:
        connection.execute(file.read_bytes())

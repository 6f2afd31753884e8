"""A few connections to the database, for one event loop: opened when they are needed, kept while nobody uses them.

Nothing runs in the background, so a database that is away is told to whoever asks, at once and with the reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, LiteralString

import psycopg

from mabos.kafka.settings import Settings

Row = tuple[Any, ...]
AsyncConnection = psycopg.AsyncConnection[Row]
Values = Sequence[object] | Mapping[str, object]

_CONNECT_TIMEOUT_S = 5
_SESSION: LiteralString = (
    "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS wanted(name, value)"
)


def session_query(session: Mapping[str, str]) -> tuple[LiteralString, tuple[list[str], list[str]]]:
    """The statement, and its values, that makes PostgreSQL's settings, by name, those of a connection."""
    return _SESSION, (list(session), list(session.values()))


def is_lost(error: psycopg.Error) -> bool:
    """Whether an error means that the connection is gone, and another one may do."""
    lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return lost and not isinstance(error, psycopg.errors.QueryCanceled)


class Pool:
    """Runs statements, each a transaction of its own.

    Args:
        settings: Where the database is.
        session: PostgreSQL's settings for each connection, by name; a ``search_path`` with its quotes.
        prepare: Called in a thread before the first connection is opened, and again after :meth:`reset`.
        connections: How many statements may run at once; more of them wait.
    """

    def __init__(
        self, settings: Settings, session: Mapping[str, str], prepare: Callable[[], None], *, connections: int = 8
    ) -> None:
        self._url, self._session, self._prepare = settings.database_url, dict(session), prepare
        self._room = asyncio.Semaphore(connections)
        self._idle: list[AsyncConnection] = []
        self._is_prepared = False

    async def run(self, statement: LiteralString, values: Values) -> list[Row]:
        """The rows that a statement gives; none if it is one that gives none. Cut off, it closes its connection.

        One that was cut off while its connection opened leaves it to psycopg, which does not close it.

        Raises:
            psycopg.Error: The database is away, or refuses it.
        """
        async with self._room:
            if self._idle:
                try:
                    return await self._run_on(self._idle.pop(), statement, values)
                except psycopg.Error as error:
                    if not is_lost(error):
                        raise
                    await self.close()  # lost while nobody asked, and the others with it
            return await self._run_on(await self._open(), statement, values)

    async def reset(self) -> None:
        """Close the connections that nobody uses, and prepare anew before another one is opened."""
        self._is_prepared = False
        await self.close()

    async def close(self) -> None:
        """Close the connections that nobody uses; the next statement opens another."""
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.close()

    async def _run_on(self, connection: AsyncConnection, statement: LiteralString, values: Values) -> list[Row]:
        """Run it, and keep the connection for the next statement unless it was lost, or left in the middle."""
        try:
            cursor = await connection.execute(statement, values)
            rows = await cursor.fetchall() if cursor.description else []
        except BaseException:
            await connection.close()
            raise
        self._idle.append(connection)
        return rows

    async def _open(self) -> AsyncConnection:
        if not self._is_prepared:
            await asyncio.to_thread(self._prepare)
            self._is_prepared = True
        connection: AsyncConnection = await psycopg.AsyncConnection.connect(
            self._url.get_secret_value(), connect_timeout=_CONNECT_TIMEOUT_S, application_name="mabos", autocommit=True
        )
        try:
            await connection.execute(*session_query(self._session))
        except BaseException:  # as where whoever asked has left meanwhile
            await connection.close()
            raise
        return connection

"""TaskView and AsyncTaskView: ask what became of tasks.

::

    with TaskView(settings) as view:
        page = view.ask(list_tasks(TaskFilter(agent_id="support-01", states=("failed",))))

What may be asked is in :mod:`mabos.streams.inquiries`. An answer shows whole batches of the projector only. A view that
is made anew meanwhile takes its place between two questions.
"""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Generic, Self, TypeVar

import psycopg
from psycopg import sql

from mabos.kafka.settings import Settings
from mabos.schemas.errors import MabosError
from mabos.streams.database import Connection, explain, live_schema, require_view
from mabos.streams.errors import QueryTooLong, ViewMissing
from mabos.streams.inquiries import Inquiry, Pause, Rows
from mabos.streams.pool import Pool, is_lost, session_query
from mabos.streams.queries import Query

T = TypeVar("T")

STATEMENT_TIMEOUT_S = 5.0


class TaskView:
    """Asks the view of a queue, from one thread at a time. It connects when it is first asked, and anew when it must.

    Args:
        settings: Where the database is, and which queue.
        statement_timeout_s: The longest that PostgreSQL may work on one statement.
    """

    def __init__(self, settings: Settings, *, statement_timeout_s: float = STATEMENT_TIMEOUT_S) -> None:
        self._settings, self._timeout_s = settings, statement_timeout_s
        self._connection: Connection | None = None

    def ask(self, inquiry: Inquiry[T]) -> T:
        """Carry an inquiry out.

        Raises:
            InvalidQuery: What it asks for is refused; names it.
            DatabaseUnavailable: No database answers, or it does not let us in.
            DatabaseRefused: A right is missing, or the view is of another version.
            ViewMissing: There is no view of this queue.
            QueryTooLong: PostgreSQL gave it up.
        """
        steps = _Steps(inquiry)
        while (step := steps.next()) is not None:
            if isinstance(step, Pause):
                time.sleep(step.seconds)
            else:
                try:
                    steps.rows = self._run(step)
                except QueryTooLong as error:
                    steps.error = error
        return steps.answer

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, query: Query) -> Rows:
        try:
            if self._connection is not None:
                try:
                    return self._connection.execute(query.sql, query.values).fetchall()
                except psycopg.Error as error:
                    if not is_lost(error):
                        raise
                    self.close()  # it may have been lost long ago, while nobody asked
            self._connection = require_view(self._settings, live_schema(self._settings.queue))
            self._connection.execute(*session_query(_session(self._timeout_s)))
            return self._connection.execute(query.sql, query.values).fetchall()
        except psycopg.Error as error:
            raise _explain(self._settings, error) from error


class AsyncTaskView:
    """Asks the view of a queue from one event loop, through a few connections that it opens when they are needed.

    Args:
        settings: Where the database is, and which queue.
        connections: How many questions may be asked at once; more of them wait.
        statement_timeout_s: The longest that PostgreSQL may work on one statement.
    """

    def __init__(
        self, settings: Settings, *, connections: int = 8, statement_timeout_s: float = STATEMENT_TIMEOUT_S
    ) -> None:
        self._settings = settings
        path = sql.Identifier(live_schema(settings.queue)).as_string()
        session = {"search_path": path, "timezone": "UTC"} | _session(statement_timeout_s)
        self._pool = Pool(settings, session, lambda: _check(settings), connections=connections)

    async def ask(self, inquiry: Inquiry[T]) -> T:
        """As :meth:`TaskView.ask`, without blocking the event loop. An inquiry that pauses keeps no connection."""
        steps = _Steps(inquiry)
        while (step := steps.next()) is not None:
            if isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
            else:
                try:
                    steps.rows = await self._run(step)
                except QueryTooLong as error:
                    steps.error = error
        return steps.answer

    async def close(self) -> None:
        """Close the connections that nobody uses; the next question opens another."""
        await self._pool.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, query: Query) -> Rows:
        try:
            return await self._pool.run(query.sql, query.values)
        except psycopg.Error as error:
            raise _explain(self._settings, error) from error


class _Steps(Generic[T]):
    """An inquiry that is being carried out."""

    def __init__(self, inquiry: Inquiry[T]) -> None:
        self._inquiry = inquiry
        self._has_begun = False
        self.rows: Rows = ()
        """What the last step gave."""
        self.error: QueryTooLong | None = None
        """Or why it gave nothing."""
        self.answer: T
        """What the inquiry returned."""

    def next(self) -> Query | Pause | None:
        """The next step; None when there is the answer."""
        rows, error, self.rows, self.error = self.rows, self.error, (), None
        try:
            if error is not None:
                return self._inquiry.throw(error)
            if self._has_begun:
                return self._inquiry.send(rows)
            self._has_begun = True
            return next(self._inquiry)
        except StopIteration as done:
            self.answer = done.value
            return None


def _check(settings: Settings) -> None:
    """Refuse a view that is not there, or of another version."""
    require_view(settings, live_schema(settings.queue)).close()


def _session(timeout_s: float) -> dict[str, str]:
    return {
        "statement_timeout": f"{round(timeout_s * 1000)}ms",
        "plan_cache_mode": "force_custom_plan",  # the values decide which index is good, so no plan is made for all
        "default_transaction_read_only": "on",
    }


def _explain(settings: Settings, error: psycopg.Error) -> MabosError:
    if isinstance(error, psycopg.errors.QueryCanceled):
        return QueryTooLong("the database needs too long for this: ask for a shorter time, or for an agent")
    if isinstance(error, psycopg.errors.UndefinedTable):
        return ViewMissing("this queue has no view any more: run `mabos view run`, or `mabos up`")
    return explain(settings, error)

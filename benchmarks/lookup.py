"""Looking tasks up in a view of ten million: by id, and a page of an agent's tasks."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.claims import Claim, Figure, Row
from benchmarks.display import Display
from mabos.kafka.settings import load_settings
from mabos.streams.cursors import Cursor
from mabos.streams.database import VIEW_SQL, Connection, connect, ensure_view, live_schema
from mabos.streams.filters import TaskFilter
from mabos.streams.inquiries import find_tasks, list_agents, list_tasks
from mabos.streams.local_database import LocalDatabase
from mabos.streams.view import TaskView

if TYPE_CHECKING:
    from benchmarks.rows import Harness  # which has this row among its own

_ROWS = 10_000_000
_AGENTS = 1_000
_AT_ONCE = 250_000
_LOOKS = 2_000
_NEWEST = datetime(2026, 1, 31, tzinfo=UTC)
_GAP_MS = 250  # between two tasks: ten million are a month
_OPEN = 1_000  # the newest ones wait
_SEED = 20_260_131

# A row depends on nothing but its number. Its id is as a UUIDv7 is: the time in front, the rest as good as random.
# Of a hundred tasks two failed, and one has a parent.
_FILL = """
INSERT INTO tasks (requested_at, request_offset, response_offset, started_at, answered_at, partition,
    response_partition, attempt, state, task_id, agent_id, action, parent_task_id, parent_agent_id, error_code,
    error_message, error_retryable, payload, result)
SELECT at, n / 12, CASE WHEN has_ended THEN n / 12 END, CASE WHEN has_ended THEN at + interval '20 ms' END,
    CASE WHEN has_ended THEN at + interval '50 ms' END, agent %% 12, CASE WHEN has_ended THEN agent %% 12 END,
    CASE WHEN has_ended THEN 1 END,
    CASE WHEN NOT has_ended THEN 'queued' WHEN has_failed THEN 'failed' ELSE 'completed' END,
    lpad(to_hex(n), 12, '0') || md5(n::text), 'agent-' || agent, 'action-' || n %% 20,
    CASE WHEN n %% 100 = 7 THEN lpad(to_hex(n - 1), 12, '0') || md5((n - 1)::text) END,
    CASE WHEN n %% 100 = 7 THEN 'agent-0' END, CASE WHEN has_failed THEN 'exception' END,
    CASE WHEN has_failed THEN 'the handler raised ValueError' END, CASE WHEN has_failed THEN true END,
    format('{"action": "action-%%s", "number": %%s, "text": "%%s"}', n %% 20, n, repeat(md5(n::text), 3)),
    CASE WHEN has_ended THEN format('{"number": %%s}', n) END
FROM (
    SELECT n, (hashint8(n) & 2147483647) %% %(agents)s AS agent, n < %(open_from)s AS has_ended,
        n %% 50 = 3 AND n < %(open_from)s AS has_failed,
        %(newest)s::timestamptz - (%(rows)s - n) * %(gap_ms)s * interval '1 ms' AS at
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
) AS numbered
"""
_INDEXES = ("time", "agent", "state", "action", "parent", "replayed", "redriven", "deadline")


class _Times(NamedTuple):
    p50_ms: float
    p99_ms: float


def measure_lookup(harness: Harness) -> Row:
    """Fill a view, and ask it one thing after another."""
    rows = max(_OPEN * 2, round(_ROWS * harness.scale))
    looks = max(500, round(_LOOKS * harness.scale))
    ids: list[_Times] = []
    pages: list[_Times] = []
    agents: list[_Times] = []
    with LocalDatabase() as database:
        settings = load_settings(queue="lookup", database_url=database.url)
        ensure_view(settings, live_schema(settings.queue))
        with connect(settings, live_schema(settings.queue), autocommit=True) as connection:
            connection.execute("DROP TABLE agent_states")  # else there would be counts that lack what is filled in
            fill_view(connection, rows, harness.display)
            picks = _pick(connection, rows, looks)
        ensure_view(settings, live_schema(settings.queue))  # counts them
        with TaskView(settings) as view:
            for number in range(1, harness.rounds + 1):
                harness.display.say(f"round {number} of {harness.rounds}")
                ids.append(_measure(lambda pick: view.ask(find_tasks(pick.task_id)), picks))
                pages.append(_measure(lambda pick: _page(view, pick), picks))
                agents.append(_measure(lambda _: view.ask(list_agents()), picks))
    return Row(
        name="lookup",
        title=f"looking tasks up in a view of {rows:,}",
        claims=[
            Claim(text="by id, p99", values=[found.p99_ms for found in ids], bound=5, sense="at most", unit="ms"),
            Claim(
                text="50 tasks of an agent, p99",
                values=[found.p99_ms for found in pages],
                bound=50,
                sense="at most",
                unit="ms",
            ),
        ],
        figures=[
            Figure(name="by id, p50", values=[found.p50_ms for found in ids], unit="ms"),
            Figure(name="50 tasks of an agent, p50", values=[found.p50_ms for found in pages], unit="ms"),
            Figure(name="50 agents, what waits for each, p50", values=[found.p50_ms for found in agents], unit="ms"),
            Figure(name="50 agents, what waits for each, p99", values=[found.p99_ms for found in agents], unit="ms"),
        ],
    )


def fill_view(connection: Connection, rows: int, display: Display | None = None) -> None:
    """Fill an empty view with made-up tasks, the same each time. Ten million take minutes, and 7 GB.

    Args:
        connection: Its SQL means the tables of the view.
        rows: How many tasks.
        display: Told how far it is.
    """
    for name in _INDEXES:  # made at the end: that is a third of the time
        connection.execute(f"DROP INDEX IF EXISTS tasks_by_{name}".encode())
    for first in range(1, rows + 1, _AT_ONCE):
        last = min(rows, first + _AT_ONCE - 1)
        values = {"agents": _AGENTS, "open_from": rows - _OPEN, "newest": _NEWEST, "rows": rows, "gap_ms": _GAP_MS}
        connection.execute(_FILL, values | {"first": first, "last": last})
        if display is not None:
            display.say(f"{last:,} of {rows:,} tasks")
    connection.execute(VIEW_SQL.read_bytes())
    connection.execute("VACUUM ANALYZE tasks")


def _pick(connection: Connection, rows: int, looks: int) -> list[Cursor]:
    """Some tasks, from anywhere."""
    numbers = random.Random(_SEED).sample(range(1, rows + 1), looks)  # noqa: S311 - it is a benchmark
    found = connection.execute(
        "SELECT requested_at, task_id, agent_id FROM unnest(%s::bigint[]) AS n"
        " JOIN tasks ON task_id = lpad(to_hex(n), 12, '0') || md5(n::text)",
        (numbers,),
    ).fetchall()
    return [Cursor(*row) for row in found]


def _page(view: TaskView, pick: Cursor) -> object:
    return view.ask(list_tasks(TaskFilter(agent_id=pick.agent_id), cursor=str(pick)))


def _measure(ask: Callable[[Cursor], object], picks: Sequence[Cursor]) -> _Times:
    took_s = []
    for pick in picks:
        began_s = time.perf_counter()
        ask(pick)
        took_s.append(time.perf_counter() - began_s)
    took_s.sort()
    return _Times(p50_ms=took_s[len(took_s) // 2] * 1000, p99_ms=took_s[int(len(took_s) * 0.99)] * 1000)

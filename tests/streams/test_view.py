"""The view as it is asked, on a real database: pages, searches, agents, statistics, from threads and event loops."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr

from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.streams.database import Connection, connect, drop_generation, ensure_view, live_schema
from mabos.streams.errors import DatabaseUnavailable, InvalidQuery, QueryTooLong, ViewMissing
from mabos.streams.filters import TaskFilter
from mabos.streams.inquiries import (
    Inquiry,
    Page,
    find_tasks,
    list_agents,
    list_tasks,
    read_stats,
    wait_until,
)
from mabos.streams.local_database import LocalDatabase
from mabos.streams.queries import Query
from mabos.streams.references import Reference
from mabos.streams.view import AsyncTaskView, TaskView
from mabos.streams.viewed_task import ViewedTask
from tests.support.view import count_anew

T0 = datetime(2026, 1, 1, tzinfo=UTC)
Key = tuple[datetime, str, str]


@pytest.fixture(scope="module")
def settings(database: LocalDatabase) -> Settings:
    """Settings of a view of this module's own."""
    settings = Settings(database_url=SecretStr(database.url), queue="asked")
    ensure_view(settings, live_schema(settings.queue))
    return settings


@pytest.fixture(scope="module")
def writer(settings: Settings) -> Iterator[Connection]:
    """Writes rows as a projector would."""
    with connect(settings, live_schema(settings.queue), autocommit=True) as connection:
        yield connection


@pytest.fixture
def view(settings: Settings, writer: Connection) -> Iterator[TaskView]:
    """An empty view."""
    writer.execute("TRUNCATE tasks, agent_minutes, partitions")
    with TaskView(settings) as view:
        yield view


def write(writer: Connection, at: datetime, task_id: str, agent_id: str, **columns: Any) -> Key:
    """Write a row; what is not given is that of a task that waits."""
    values = {
        "requested_at": at,
        "task_id": task_id,
        "agent_id": agent_id,
        "state": "queued",
        "payload": "{}",
    } | columns
    values |= {"request_offset": 0, "partition": 0}
    names = ", ".join(values)
    marks = ", ".join(["%s"] * len(values))
    statement = f"INSERT INTO tasks ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608
    writer.execute(statement.encode(), list(values.values()))
    return at, task_id, agent_id


def key(task: ViewedTask) -> Key:
    return task.requested_at, task.task_id, task.agent_id


def read_pages(view: TaskView, wanted: TaskFilter, limit: int) -> Iterator[Page]:
    """Page after page, to the last."""
    cursor = None
    for _ in range(200):
        page = view.ask(list_tasks(wanted, cursor=cursor, limit=limit))
        yield page
        cursor = page.cursor
        if cursor is None:
            return
    raise AssertionError("it never ends")


STATES, ACTIONS = ("queued", "failed", "completed"), ("x", "y")
rows = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.sampled_from(["t", "u", "ж", "\U0001f600"]),
        st.sampled_from(["a", "b", "team-1", "team-2"]),
        st.sampled_from(STATES),
        st.sampled_from(ACTIONS),
    ),
    max_size=40,
    unique_by=lambda row: (row[1], row[2]),
)
filters = st.builds(
    TaskFilter,
    agent_id=st.none() | st.sampled_from(["a", "team-1"]),
    agents=st.none() | st.lists(st.sampled_from(["a", "b", "team-*", "*"]), max_size=3).map(tuple),
    action=st.none() | st.sampled_from(ACTIONS),
    states=st.lists(st.sampled_from(STATES), max_size=2).map(tuple),
    since=st.none() | st.integers(0, 4).map(lambda n: T0 + timedelta(milliseconds=n)),
    until=st.none() | st.integers(0, 4).map(lambda n: T0 + timedelta(milliseconds=n)),
)


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows, filters, st.integers(1, 7))
def test_pages_give_each_task_once_in_order(
    view: TaskView, writer: Connection, there: list[Any], wanted: TaskFilter, limit: int
) -> None:
    """Whatever the filter, with equal times, and while newer tasks come in between two pages."""
    writer.execute("TRUNCATE tasks")
    keys = {}
    for n, task_id, agent_id, state, action in there:
        write(writer, T0 + timedelta(milliseconds=n), task_id, agent_id, state=state, action=action)
        keys[T0 + timedelta(milliseconds=n), task_id, agent_id] = (state, action)
    given_keys: list[Key] = []
    for number, page in enumerate(read_pages(view, wanted, limit)):
        assert len(page.tasks) <= limit
        assert all(wanted.fits(task) for task in page.tasks)
        given_keys += map(key, page.tasks)
        if number < 5:
            newer = T0 + timedelta(seconds=1 + number)
            write(writer, newer, f"new-{number}", "a", state="queued", action="x")
    fitting = [
        found
        for found, (state, action) in keys.items()
        if wanted.fits(stand_in(found, state, action)) and not wanted.sees_nothing
    ]
    assert [found for found in given_keys if found in keys] == sorted(fitting, reverse=True)
    assert [found for found in given_keys if found not in keys] == []


def stand_in(found: Key, state: str, action: str) -> ViewedTask:
    nothing = dict.fromkeys(ViewedTask.__slots__)
    at, task_id, agent_id = found
    return ViewedTask(
        **(
            nothing
            | {"requested_at": at, "task_id": task_id, "agent_id": agent_id}
            | {"state": state, "action": action}
        )
    )  # type: ignore[arg-type]


def test_a_search_that_takes_too_long_says_where_it_goes_on(view: TaskView, writer: Connection) -> None:
    """It gives what it has found, and how far it came; going on, each hit comes once."""
    with writer.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tasks (requested_at, request_offset, partition, state, task_id, agent_id, payload)"
            " SELECT %s::timestamptz + n * interval '1 ms', n, 0, 'queued', 't' || n, 'a',"
            " CASE WHEN n %% 1500 = 7 THEN '{\"x\": \"Caf\\u00e9 50%%\"}' ELSE '{}' END"
            " FROM generate_series(1, 6000) n",
            (T0,),
        )
    clock = itertools.count()  # each look at it takes a second
    found, cursors, cursor_text = [], 0, None
    while True:
        page = view.ask(
            list_tasks(
                TaskFilter(text="café 50%"),
                cursor=cursor_text,
                limit=10,
                search_s=0.5,
                clock=lambda: float(next(clock)),
            )
        )
        found += [task.task_id for task in page.tasks]
        cursor_text = page.cursor
        if cursor_text is None:
            break
        assert page.searched_to is not None
        cursors += 1
    assert found == ["t4507", "t3007", "t1507", "t7"]
    assert cursors >= 2


def test_text_is_found_as_people_write_it(view: TaskView, writer: Connection) -> None:
    """In small or capital letters, with quotes, escaped or not, in payload, result and error."""
    write(writer, T0, "plain", "a", payload='{"text": "Größe \\"XL\\""}')
    write(writer, T0, "escaped", "a", payload='{"text": "Gr\\u00f6\\u00dfe"}')
    write(writer, T0, "result", "a", result='{"a": "100% sure_"}')
    write(writer, T0, "error", "a", error_code="x", error_message="It broke")

    def search(text: str) -> set[str]:
        return {task.task_id for task in view.ask(list_tasks(TaskFilter(text=text))).tasks}

    assert search("größe") == {"plain", "escaped"}
    assert search('"XL"') == {"plain"}
    assert search("0% SURE_") == {"result"}
    assert search("0_ s") == set()
    assert search("it broke") == {"error"}


def test_a_name_may_belong_to_several_agents(view: TaskView, writer: Connection) -> None:
    """All of them are given, or those that the caller may see."""
    for agent_id in ("b", "a", "team-1"):
        write(writer, T0, "t", agent_id, parent_task_id="p", parent_agent_id="a")
    assert [task.agent_id for task in view.ask(find_tasks("t"))] == ["a", "b", "team-1"]
    assert [task.agent_id for task in view.ask(find_tasks("t", agents=["team-*", "b"]))] == ["b", "team-1"]
    assert [task.agent_id for task in view.ask(find_tasks("t", "b"))] == ["b"]
    assert view.ask(find_tasks("t", "b", agents=["a"])) == ()
    children = view.ask(list_tasks(TaskFilter(parent=Reference("p", "a"), agents=("a",))))
    assert [task.agent_id for task in children.tasks] == ["a"]


def test_agents_and_statistics_are_added_up(view: TaskView, writer: Connection) -> None:
    """Counts, rates and percentiles of the window, and what waits now; what is outside of it does not count."""
    now = T0 + timedelta(hours=3)
    write(writer, now - timedelta(minutes=50), "old", "a")
    write(writer, now - timedelta(minutes=5), "new", "a", state="in_progress")
    write(writer, now, "done", "b", state="completed", response_offset=1)
    count_anew(writer)
    slow = [0] * 40 + [4]  # four waits of 2^9.75 to 2^10 ms
    for agent_id, minute, completed, counts in (
        ("a", 10, 6, [0, 6]),
        ("a", 11, 4, slow),
        ("b", 11, 1, [1]),
        ("a", 200, 9, []),
    ):
        writer.execute(
            "INSERT INTO agent_minutes (agent_id, action, minute, requested, completed, wait_counts)"
            " VALUES (%s, '', %s, %s, %s, %s)",
            (agent_id, now - timedelta(minutes=minute), completed + 1, completed, counts),
        )
    first, second = view.ask(list_agents(now=now, window=timedelta(hours=1)))
    assert (first.agent_id, first.waiting, first.oldest_at) == ("a", 2, now - timedelta(minutes=50))
    assert (first.traffic.requested, first.traffic.answered, first.to_json()["answered_per_s"]) == (12, 10, 0.003)
    wait = first.traffic.wait
    assert wait.p50_ms == pytest.approx(2**0.25)
    assert wait.p95_ms == pytest.approx(2**10)
    assert (second.agent_id, second.waiting, second.traffic.run.p50_ms) == ("b", 0, None)
    assert [found.agent_id for found in view.ask(list_agents(now=now, after="a", limit=1))] == ["b"]
    assert [found.agent_id for found in view.ask(list_agents(now=now, agents=["b*"]))] == ["b"]
    window = TaskFilter(since=now - timedelta(hours=1), until=now)
    stats = view.ask(read_stats(window))
    assert [(s.begin, s.traffic.answered) for s in stats.stretches] == [
        (now - timedelta(minutes=11), 5),
        (now - timedelta(minutes=10), 6),
    ]
    assert (stats.total.requested, stats.total.outcomes["completed"]) == (14, 11)
    assert view.ask(read_stats(replace(window, agent_id="b"), "hour")).total.answered == 1
    writer.execute(
        "INSERT INTO backlog_minutes VALUES (%(a)s, 0, 2, 0), (%(a)s, 1, 1, 1500), (%(b)s, 0, 0, 0)",
        {"a": now - timedelta(minutes=10), "b": now - timedelta(minutes=9)},
    )
    assert [(s.traffic.answered, s.queued, s.oldest_waiting_s) for s in view.ask(read_stats(window)).stretches] == [
        (5, None, None),
        (6, 3, 1.5),
        (0, 0, 0.0),
    ]
    assert [(s.queued, s.oldest_waiting_s) for s in view.ask(read_stats(window, "hour")).stretches] == [(3, 1.5)]
    assert {s.queued for s in view.ask(read_stats(replace(window, agents=("a", "b")))).stretches} == {None}
    with pytest.raises(InvalidQuery, match="unit: a window of more than 2000 parts"):
        view.ask(read_stats(replace(window, since=T0 - timedelta(days=9)), "minute"))


def test_waiting_for_a_position_ends_when_the_view_has_it(
    view: TaskView, settings: Settings, writer: Connection
) -> None:
    """Not before, and not after its time; an event loop goes on meanwhile, with no connection held."""
    writer.execute("INSERT INTO partitions VALUES ('r', 3, 7, 1, now())")
    assert view.ask(wait_until(Position("r", 3, 6), 0))
    assert not view.ask(wait_until(Position("r", 3, 7), 0.02))
    assert not view.ask(wait_until(Position("r", 4, 0), 0))

    async def wait() -> bool:
        async with AsyncTaskView(settings, connections=1) as asked:
            waits = [asyncio.create_task(asked.ask(wait_until(Position("r", 3, 7 + n), 30))) for n in range(20)]
            assert await asked.ask(find_tasks("nobody")) == ()
            writer.execute("UPDATE partitions SET next_offset = 100")
            return all(await asyncio.gather(*waits))

    assert asyncio.run(wait())


def test_threads_and_event_loops_get_the_same(view: TaskView, settings: Settings, writer: Connection) -> None:
    """One core, two shells: also many questions at once, and what is refused."""
    for n in range(50):
        write(writer, T0, f"t{n}", "a")

    async def ask() -> list[Page]:
        async with AsyncTaskView(settings, connections=3) as asked:
            pages = await asyncio.gather(*(asked.ask(list_tasks(TaskFilter(agent_id="a"), limit=9)) for _ in range(20)))
            with pytest.raises(InvalidQuery, match="limit: must be from 1 to 1000, not 0"):
                await asked.ask(list_tasks(TaskFilter(), limit=0))
            return pages

    expected = view.ask(list_tasks(TaskFilter(agent_id="a"), limit=9))
    assert len(expected.tasks) == 9
    assert asyncio.run(ask()) == [expected] * 20


def test_a_lost_connection_is_opened_again(view: TaskView, settings: Settings, writer: Connection) -> None:
    """Whoever asks next does not notice, in a thread or on a loop."""
    write(writer, T0, "t", "a")
    end = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND datname = current_database()"
    )

    async def ask() -> None:
        async with AsyncTaskView(settings) as asked:
            assert len(await asked.ask(find_tasks("t"))) == 1
            writer.execute(end)
            assert len(await asked.ask(find_tasks("t"))) == 1

    assert len(view.ask(find_tasks("t"))) == 1
    asyncio.run(ask())
    assert len(view.ask(find_tasks("t"))) == 1


def sleep() -> Inquiry[None]:
    yield Query("SELECT pg_sleep(30)", {})


def test_a_statement_that_takes_too_long_is_given_up(settings: Settings) -> None:
    """And the connection serves the next one."""

    async def ask() -> None:
        async with AsyncTaskView(settings, statement_timeout_s=0.1) as asked:
            with pytest.raises(QueryTooLong):
                await asked.ask(sleep())
            assert await asked.ask(find_tasks("nobody")) == ()

    with TaskView(settings, statement_timeout_s=0.1) as view:
        with pytest.raises(QueryTooLong, match="ask for a shorter time"):
            view.ask(sleep())
        assert view.ask(find_tasks("nobody")) == ()
    asyncio.run(ask())


def test_nobody_can_write_through_it(view: TaskView) -> None:
    """Its sessions are read-only."""

    def delete() -> Inquiry[None]:
        yield Query("DELETE FROM tasks", {})

    with pytest.raises(Exception, match="read-only transaction"):
        view.ask(delete())


def test_what_is_missing_is_said(settings: Settings) -> None:
    """The database or the view, with what to do; and a view that is dropped while it is asked."""
    other = settings.model_copy(update={"queue": "elsewhere"})
    nowhere = settings.model_copy(update={"database_url": SecretStr("postgresql://u@127.0.0.1:1/x")})

    async def ask(where: Settings) -> None:
        async with AsyncTaskView(where) as asked:
            await asked.ask(find_tasks("t"))

    for error, where in ((ViewMissing, other), (DatabaseUnavailable, nowhere)):
        with pytest.raises(error):
            TaskView(where).ask(find_tasks("t"))
        with pytest.raises(error):
            asyncio.run(ask(where))
    ensure_view(other, live_schema(other.queue))
    with TaskView(other) as asked:
        assert asked.ask(find_tasks("t")) == ()
        drop_generation(other, live_schema(other.queue))
        with pytest.raises(ViewMissing):
            asked.ask(find_tasks("t"))

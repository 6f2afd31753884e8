"""Dead letters in a real view: listed, grouped, found; with the tasks that do theirs again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from mabos.kafka.settings import Settings
from mabos.streams.batch import Batch
from mabos.streams.database import Connection, connect, ensure_view, live_schema
from mabos.streams.errors import InvalidQuery
from mabos.streams.letter_inquiries import find_letters, group_letters, list_letters
from mabos.streams.letter_rows import LetterRow, name_cause
from mabos.streams.letters import LetterCursor, LetterFilter, ViewedLetter
from mabos.streams.local_database import LocalDatabase
from mabos.streams.places import Claim, Place
from mabos.streams.store import Store
from mabos.streams.view import TaskView

T0_MS = 1_800_000_000_000
T0 = datetime.fromtimestamp(T0_MS / 1000, UTC)
TOPIC = "mabos.letters.dead-letters"


@pytest.fixture(scope="module")
def settings(database: LocalDatabase) -> Settings:
    """Settings of a queue of this module's own."""
    return Settings(database_url=SecretStr(database.url), queue="letters")


@pytest.fixture
def view(settings: Settings, schema: str) -> Iterator[TaskView]:
    """Asks it."""
    with TaskView(settings) as view:
        yield view


def row(offset: int, agent_id: str | None = "billing-1", *, partition: int = 0, **changes: Any) -> LetterRow:
    values = {
        "attempts": 3,
        "is_whole": True,
        "code": "handler_failed",
        "message": f"no customer {offset}",
        "task_id": f"t{partition}-{offset}",
        "action": "sum",
        "origin": f"mabos.letters.requests:{partition}:{offset}",
        "at_ms": T0_MS + offset,
    } | changes
    cause_id = name_cause(values["code"], values["action"], values["message"])
    return LetterRow(place=Place(TOPIC, partition), offset=offset, cause_id=cause_id, agent_id=agent_id, **values)


def file_letters(settings: Settings, *rows: LetterRow) -> None:
    """As the projector does."""
    store = Store(connect(settings, live_schema(settings.queue)))
    claims: dict[Place, Claim] = store.take({row.place for row in rows})
    store.apply(Batch(letters=list(rows), ends={row.place: row.offset + 1 for row in rows}), claims)
    store.close()


def redrive(settings: Settings, task_id: str, agent_id: str, name: str, **changes: str) -> None:
    """A task that does another one again."""
    values = {"agent": agent_id, "state": "completed"} | changes
    with connect(settings, live_schema(settings.queue)) as connection:
        connection.execute(
            "INSERT INTO tasks (requested_at, state, task_id, agent_id, redrive_of_task_id, redrive_of_agent_id)"
            " VALUES (now(), %s, %s, %s, %s, %s)",
            (values["state"], name, values["agent"], task_id, agent_id),
        )


def walk(view: TaskView, wanted: LetterFilter, limit: int = 2) -> list[ViewedLetter]:
    found: list[ViewedLetter] = []
    cursor = None
    while True:
        page = view.ask(list_letters(wanted, TOPIC, cursor=cursor, limit=limit))
        found += page.letters
        if page.cursor is None:
            return found
        cursor = page.cursor


def test_pages_walk_all_letters_newest_first(settings: Settings, view: TaskView) -> None:
    """Each once, also those of one millisecond; a cursor of nobody's is refused."""
    rows = [row(n, partition=p, at_ms=T0_MS + n // 3) for n in range(7) for p in (0, 1)]
    file_letters(settings, *rows)
    found = walk(view, LetterFilter(), limit=3)
    wanted = sorted(((r.at_ms, r.place.partition, r.offset) for r in rows), reverse=True)
    assert [(letter.partition, letter.offset) for letter in found] == [(p, offset) for _, p, offset in wanted]
    assert found[0].to_json(TOPIC)["position"] == f"{TOPIC}:1:6"
    for text in ("", "1-2", "x", "1-1-99999999999-1", f"1-{10**17}-0-0", "1-1-1-9999999999999999999"):
        with pytest.raises(InvalidQuery):
            LetterCursor.parse(text)


def test_filters_leave_out_what_does_not_fit(settings: Settings, view: TaskView) -> None:
    """By agent, pattern, action, code, cause and time; letters of no agent are seen by who sees all."""
    rows = [
        row(0),
        row(1, "mail-1", action="send"),
        row(2, None, code="bad_key", action=None, task_id=None),
        row(3, "billing-2", code="bad_result", message="too large"),
    ]
    file_letters(settings, *rows)

    def offsets(**wanted: Any) -> list[int]:
        return [letter.offset for letter in walk(view, LetterFilter(**wanted))]

    assert offsets() == [3, 2, 1, 0]
    assert offsets(agents=("billing-*",)) == [3, 0]
    assert offsets(agents=("billing-*",), agent_id="mail-1") == []
    assert offsets(agents=()) == []
    assert offsets(agent_id="mail-1") == offsets(action="send") == [1]
    assert offsets(code="bad_result") == offsets(cause_id=rows[3].cause_id) == [3]
    assert offsets(since=T0 + timedelta(milliseconds=1), until=T0 + timedelta(milliseconds=3)) == [2, 1]
    assert [letter.offset for letter in view.ask(find_letters([(0, 2), (0, 0), (9, 9)], TOPIC))] == [0, 2]
    assert [n.offset for n in view.ask(find_letters([(0, 1), (0, 0)], TOPIC, agents=("mail-*",)))] == [1]
    with pytest.raises(InvalidQuery, match="since"):
        LetterFilter(since=datetime(2026, 1, 1))  # noqa: DTZ001 - refused


def test_groups_count_by_cause_what_waits(settings: Settings, view: TaskView) -> None:
    """The most frequent first, with the newest message that the caller may see; redriven is what a task does again."""
    file_letters(
        settings,
        *(row(n, f"billing-{n % 2}") for n in range(4)),
        row(4, "mail-1"),
        row(5, "mail-1", code="unknown_schema", task_id=None, action=None, message="no schema 9"),
    )
    redrive(settings, "t0-1", "billing-1", "again-1")
    redrive(settings, f"{TOPIC}:0:5", "mail-1", "again-5", state="queued")
    redrive(settings, "t0-0", "billing-0", "forged", agent="mail-9")
    often, once = view.ask(group_letters(LetterFilter(), TOPIC))
    assert (often.count, often.waiting, often.agents, often.message) == (5, 4, 3, "no customer 4")
    assert (often.oldest_at, often.newest_at - often.oldest_at) == (T0, timedelta(milliseconds=4))
    assert (once.code, once.count, once.waiting) == ("unknown_schema", 1, 0)
    [seen] = view.ask(group_letters(LetterFilter(agents=("billing-*",)), TOPIC))
    assert (seen.count, seen.message) == (4, "no customer 3")
    assert [letter.offset for letter in walk(view, LetterFilter(is_redriven=True))] == [5, 1]
    assert [letter.offset for letter in walk(view, LetterFilter(is_redriven=False))] == [4, 3, 2, 0]
    [found] = view.ask(find_letters([(0, 5)], TOPIC))
    assert found.to_json(TOPIC)["redriven"] == [{"task_id": "again-5", "agent_id": "mail-1", "state": "queued"}]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, None),
        ({"code": "unknown_schema", "task_id": None}, None),
        ({"is_whole": False}, "too large"),
        ({"code": "bad_magic", "task_id": None}, "no task request"),
        ({"code": "bad_key", "task_id": None}, "key"),
    ],
)
def test_what_cannot_be_redriven_says_why(
    settings: Settings, view: TaskView, changes: dict[str, Any], why: str | None
) -> None:
    """Of an unknown schema it may be known by now."""
    file_letters(settings, row(0, **changes))
    [found] = walk(view, LetterFilter())
    shown = found.to_json(TOPIC)
    assert shown["can_redrive"] is (why is None)
    assert (why or "") in (shown["why_not"] or "")


def test_a_view_that_was_there_before_gets_the_table(settings: Settings, schema: str) -> None:
    """Without a rebuild: its tasks stay, and the dead letters are taken from their first."""
    with connect(settings, schema) as connection:
        connection.execute("DROP TABLE dead_letters")
        connection.execute("INSERT INTO partitions VALUES ('mabos.letters.requests', 0, 9, 1, now())")
    ensure_view(settings, schema)
    store = Store(connect(settings, schema))
    assert store.take([Place(TOPIC, 0), Place("mabos.letters.requests", 0)])[Place(TOPIC, 0)].next_offset == 0
    store.close()
    file_letters(settings, row(0))
    with connect(settings, schema) as connection:
        assert count(connection) == 1


def test_old_letters_are_forgotten_a_few_at_a_time(settings: Settings, schema: str) -> None:
    """As tasks are."""
    file_letters(settings, *(row(n) for n in range(5)))
    store = Store(connect(settings, schema))
    limit = T0 + timedelta(milliseconds=3)
    assert [store.forget_before(limit, at_most=2) for _ in range(3)] == [2, 1, 0]
    store.close()
    with connect(settings, schema) as connection:
        assert count(connection) == 2


def count(connection: Connection) -> int:
    found = connection.execute("SELECT count(*) FROM dead_letters").fetchone()
    assert found is not None
    return int(found[0])

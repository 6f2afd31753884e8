"""``mabos tasks list | show | watch``: what became of tasks, from the view, on a real broker and database."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from mabos.consumers import AgentGroup, Task
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.producers import TaskProducer
from mabos.streams.inquiries import find_tasks, wait_until
from mabos.streams.local_database import LocalDatabase
from mabos.streams.view import TaskView
from tests.cli.command import InProcess, Mabos, Typed
from tests.stranger.test_readme import example
from tests.support import view as projectors
from tests.support.platform import Platform
from tests.support.road import running
from tests.support.waiting import eventually

GO_ON = threading.Event()


@pytest.fixture(scope="module")
def road(platform: Platform, database: LocalDatabase) -> Iterator[Settings]:
    """A queue with a worker and a projector."""
    settings = projectors.make_view(platform, database)
    with running(agents(settings), settings), projectors.running(settings):
        yield settings


@pytest.fixture
def typed(road: Settings, mabos: Mabos, in_process: InProcess) -> Typed:
    """The command on that road."""
    url = road.database_url.get_secret_value()
    return in_process(mabos.with_env(MABOS_QUEUE=road.queue, MABOS_DATABASE_URL=url))


def agents(settings: Settings) -> AgentGroup:
    group = AgentGroup(f"tasks-{settings.queue}")

    @group.on_task_request("double")
    def double(task: Task) -> dict[str, Any]:
        return {"twice": 2 * task.payload["n"]}

    @group.on_task_request("tell")
    def tell(task: Task) -> dict[str, Any]:
        task.progress({"part": 1})
        assert GO_ON.wait(60)
        task.send(agent_id=f"{task.agent_id}-child", payload={"action": "double", "n": 1}).result()
        return {"told": "ж"}

    return group


def do(settings: Settings, agent_id: str, count: int, action: str = "double") -> list[str]:
    """Have tasks done, and wait until the view knows."""
    with TaskProducer(settings) as producer, TaskView(settings) as view:
        receipts = [
            producer.send_task_request(agent_id=agent_id, payload={"action": action, "n": number})
            for number in range(count)
        ]
        for receipt in receipts:
            position = receipt.result()
            assert view.ask(wait_until(position, 60))
        ids = [receipt.task_id for receipt in receipts]
        until_done(view, ids)
    return ids


def until_done(view: TaskView, ids: list[str]) -> None:
    eventually(lambda: not any(view.ask(find_tasks(task_id))[0].is_open for task_id in ids), timeout_s=60)


def test_what_was_written_can_be_read(road: Settings) -> None:
    """Once the view has passed a request's position, the task is in it: read your writes, a hundred times."""
    with TaskProducer(road) as producer, TaskView(road) as view:
        for number in range(100):
            receipt = producer.send_task_request(agent_id="writer", payload={"action": "double", "n": number})
            assert view.ask(wait_until(receipt.result(), 60))
            assert [task.agent_id for task in view.ask(find_tasks(receipt.task_id))] == ["writer"]
        assert not view.ask(wait_until(Position(receipt.result().topic, 0, 10**9), 0.01))


def test_a_list_is_paged_filtered_and_printed(typed: Typed, road: Settings) -> None:
    """Newest first; the way to go on is on standard error, and leads through all of it once; no payload is in it."""
    ids = do(road, "lister", 5)
    first = typed("tasks", "list", "--agent", "lister", "--limit", "3", "-o", "ndjson")
    assert first.code == 0
    cursor = first.err.removeprefix("there are more: --cursor ").strip()
    second = typed("tasks", "list", "--agent", "lister", "--limit", "3", "-o", "ndjson", "--cursor", cursor)
    rows = [*first.rows(), *second.rows()]
    assert sorted(row["task_id"] for row in rows) == sorted(ids)
    assert second.err == ""
    assert {(row["state"], row["action"]) for row in rows} == {("completed", "double")}
    assert "payload" not in rows[0]
    table = typed("tasks", "list", "--agent", "list*", "--action", "double", "--state", "completed", "--since", "1h")
    assert table.out.split()[:7] == ["requested", "agent", "action", "state", "wait", "run", "task"]
    assert table.out.count("completed") == 5
    found = typed("tasks", "list", "--text", '"twice":8', "--agent", "lister", "-o", "json")
    assert [row["task_id"] for row in json.loads(found.out)] == [ids[4]]


def test_nothing_found_is_said(typed: Typed) -> None:
    """On standard error; a program gets an empty list."""
    done = typed("tasks", "list", "--agent", "nobody")
    assert (done.code, done.out, done.err) == (0, "", "no task fits\n")
    assert json.loads(typed("tasks", "list", "--agent", "nobody", "-o", "json").out) == []


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("list", "--cursor", "x"), "cursor: is none that a list gave: leave it out to begin at the newest task"),
        (("list", "--state", "done"), 'state: "done" is none: there are unasked, queued, in_progress, completed'),
        (("list", "--since", "yesterday"), "--since: must be so long ago, such as 90m or 7d"),
        (("watch", "-o", "json"), "Invalid value for --output: a JSON array has an end: say ndjson"),
    ],
)
def test_what_cannot_be_is_refused(typed: Typed, arguments: tuple[str, ...], problem: str) -> None:
    """In one line that names it, with exit code 2."""
    done = typed("tasks", *arguments)
    assert done.code == 2
    assert done.error.startswith(problem)


def test_a_task_is_shown_and_watched_to_its_end(typed: Typed, road: Settings) -> None:
    """Its moments in order, its texts, and the task that came of it; watching ends with the outcome."""
    GO_ON.clear()
    with TaskProducer(road) as producer, TaskView(road) as view:
        receipt = producer.send_task_request(agent_id="teller", payload={"action": "tell"})
        task_id, position = receipt.task_id, receipt.result()
        eventually(lambda: [t.state for t in view.ask(find_tasks(task_id))] == ["in_progress"], timeout_s=60)
        short = typed("tasks", "watch", task_id, "--timeout", "0")
        assert (short.code, short.out.split(",")[0]) == (3, "in_progress")
        threading.Timer(0.5, GO_ON.set).start()
        watched = typed("tasks", "watch", task_id, "--agent", "teller", "--timeout", "60")
        assert watched.code == 0
        assert watched.out.splitlines()[0].endswith(': {"part": 1}')
        assert watched.out.splitlines()[-1].endswith(': {"told": "ж"}')
        eventually(lambda: json.loads(typed("tasks", "show", task_id, "-o", "json").out)["children"], timeout_s=60)
    shown = typed("tasks", "show", task_id)
    lines = shown.out.splitlines()
    assert lines[:4] == [f"task    {task_id}", "agent   teller", "action  tell", "state   completed"]
    assert str(position) in lines[5]
    assert "requested" in lines[5]
    assert "attempt 1 began" in shown.out
    assert "last progress" in shown.out
    assert '  "told": "ж"' in shown.out
    assert lines[-1].endswith("of teller-child, completed") or lines[-1].endswith("of teller-child, queued")
    assert lines[-1].startswith("child  ")


def test_all_tasks_can_be_watched(typed: Typed, road: Settings) -> None:
    """Those that are there first, then what comes, each change once; until the time is over."""
    do(road, "watched", 2)
    later: list[str] = []
    thread = threading.Timer(0.5, lambda: later.extend(do(road, "watched", 1)))
    thread.start()
    done = typed("tasks", "watch", "--agent", "watched", "-o", "ndjson", "--timeout", "8")
    thread.join()
    assert done.code == 0
    rows = done.rows()
    assert [row["state"] for row in rows[:2]] == ["completed", "completed"]
    assert {row["task_id"] for row in rows[2:]} == set(later)
    assert rows[-1]["state"] == "completed"
    assert len({(row["task_id"], row["state"]) for row in rows}) == len(rows)


def test_what_is_not_there_is_said_with_its_cause(typed: Typed, road: Settings) -> None:
    """An id that several agents have, one that nobody has, with what the view has read."""
    with TaskProducer(road) as producer, TaskView(road) as view:
        for agent_id in ("one", "two"):
            sent = producer.send_task_request(agent_id=agent_id, task_id="twin", payload={"action": "double", "n": 1})
            assert view.ask(wait_until(sent.result(), 60))
    done = typed("tasks", "show", "twin")
    assert (done.code, done.error) == (1, "several agents have a task twin: say --agent, one of one, two")
    assert typed("tasks", "show", "twin", "-a", "two", "-o", "json").code == 0
    done = typed("tasks", "watch", "missing", "-a", "one")
    assert done.code == 1
    assert done.error.startswith("the view has no task missing of agent one, which ")


def test_the_readmes_example_runs_as_it_stands(road: Settings, mabos: Mabos, monkeypatch: Any) -> None:
    """Against the view of this road, whose tasks it finds."""
    monkeypatch.setenv("MABOS_DATABASE_URL", road.database_url.get_secret_value())
    monkeypatch.setenv("MABOS_QUEUE", road.queue)
    with TaskProducer(road) as producer, TaskView(road) as view:
        sent = producer.send_task_request(agent_id="b", task_id="report-7", payload={"action": "double", "n": 1})
        assert view.ask(wait_until(sent.result(), 60))
    names: dict[str, Any] = {}
    exec(example("view"), names)  # noqa: S102 - our own text
    assert [task.task_id for task in names["found"]] == ["report-7"]


def test_a_database_or_view_that_is_away_is_said(mabos: Mabos, in_process: InProcess, database: LocalDatabase) -> None:
    """With what to do, in one line."""
    nowhere = in_process(mabos.with_env(MABOS_DATABASE_URL="postgresql://u@127.0.0.1:1/x"))("tasks", "list")
    assert nowhere.code == 3
    assert nowhere.error.startswith("no PostgreSQL answers at postgresql://127.0.0.1:1/x")
    empty = in_process(mabos.with_env(MABOS_DATABASE_URL=database.url))("tasks", "list")
    assert (empty.code, empty.error) == (1, "this queue has no view yet: run `mabos view run`, or `mabos up`")

"""``mabos dead-letters list | show | redrive``, on a real broker and database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from mabos.consumers import AgentGroup, RetryPolicy, Task
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.producers import TaskProducer
from mabos.streams.inquiries import find_tasks
from mabos.streams.letter_inquiries import pick_letters
from mabos.streams.letters import LetterFilter
from mabos.streams.local_database import LocalDatabase
from mabos.streams.view import TaskView
from tests.cli.command import InProcess, Mabos, Typed
from tests.support import view as projectors
from tests.support.platform import Platform
from tests.support.road import running
from tests.support.waiting import eventually

BROKEN = {"is": True}
COUNT = 4


@pytest.fixture(scope="module")
def road(platform: Platform, database: LocalDatabase) -> Iterator[Settings]:
    """A queue with a worker, a projector, and four dead letters of two agents."""
    settings = projectors.make_view(platform, database)
    agents = AgentGroup(f"dead-{settings.queue}", retry=RetryPolicy(max_attempts=1))

    @agents.on_task_request()
    def work(task: Task) -> dict[str, Any]:
        if BROKEN["is"]:
            raise LookupError(f"no customer {task.payload['n']}")
        return {}

    with running(agents, settings), projectors.running(settings), TaskProducer(settings) as producer:
        for number in range(COUNT):
            payload = {"action": "bill", "n": number}
            producer.send_task_request(agent_id=f"billing-{number % 2}", task_id=f"t{number}", payload=payload)
        producer.flush()
        with TaskView(settings) as view:
            letters = pick_letters
            topic = Queue(name=settings.queue).dead_letters
            eventually(lambda: len(view.ask(letters(LetterFilter(), topic, 9))) == COUNT, timeout_s=90)
        yield settings


@pytest.fixture
def typed(road: Settings, mabos: Mabos, in_process: InProcess) -> Typed:
    """The command on that road."""
    url = road.database_url.get_secret_value()
    return in_process(mabos.with_env(MABOS_QUEUE=road.queue, MABOS_DATABASE_URL=url))


def test_letters_are_listed_grouped_and_shown(typed: Typed) -> None:
    """As tables with a letter a line, as JSON with all that is known; a letter with its stack and payload."""
    table = typed("dead-letters", "list", "--agent", "billing-*", "--since", "1h").out.splitlines()
    assert table[0].split() == ["died", "agent", "action", "code", "message", "redriven", "position"]
    assert len(table) == COUNT + 1
    [group] = typed("dead-letters", "list", "--groups", "-o", "ndjson").rows()
    assert (group["count"], group["waiting"], group["agents"]) == (COUNT, COUNT, 2)
    first = typed("dead-letters", "list", "-n", "1", "--cause", group["cause_id"], "-o", "json")
    [letter] = json.loads(first.out)
    assert first.err.startswith("there are more: --cursor 1-")
    shown = typed("dead-letters", "show", letter["position"])
    assert f"LookupError: {letter['message'].partition(': ')[2].partition(' (')[0]}" in shown.out
    assert '"action": "bill"' in shown.out
    assert json.loads(typed("dead-letters", "show", letter["position"], "-o", "json").out)["key"] == letter["agent_id"]


def test_what_cannot_be_meant_is_refused(typed: Typed, road: Settings) -> None:
    """With exit code 2 for what is typed, 1 for what is not there."""
    topic = Queue(name=road.queue).dead_letters
    assert typed("dead-letters", "list", "--agent", "none").err == "no dead letter fits\n"
    assert "is not topic:partition:offset" in typed("dead-letters", "show", "7").error
    assert "no position in" in typed("dead-letters", "show", "mabos.other.requests:1:1").error
    assert "has no dead letter" in typed("dead-letters", "show", f"{topic}:0:999").error
    assert "--cause" in typed("dead-letters", "redrive").error
    assert "single position" in typed("dead-letters", "redrive", "--agent", "a", "--payload", "{}").error
    assert typed("dead-letters", "redrive", "--agent", "none").code == 1
    assert typed("dead-letters", "redrive", "--plan", "x", "--agent", "a").code == 2
    assert "there is no plan x" in typed("dead-letters", "redrive", "--plan", "x").error


def test_a_redrive_shows_what_it_would_do_and_does_it(typed: Typed, road: Settings) -> None:
    """A preview with a plan, which can be applied; it asks unless told not to; the new tasks complete."""
    BROKEN["is"] = False
    preview = typed("dead-letters", "redrive", "--agent", "billing-0", "--dry-run")
    assert len(preview.out.splitlines()) == 3
    plan_id = preview.err.split("--plan ")[1].split("`")[0]
    refused = typed("dead-letters", "redrive", "--plan", plan_id)
    assert "publish 2 tasks of 1 agent, dead " in refused.err
    assert refused.code == 1, "nobody said yes"
    done = json.loads(typed("dead-letters", "redrive", "--plan", plan_id, "--yes", "-o", "json").out)
    assert done["published"] == 2
    with TaskView(road) as view:
        for task in done["tasks"]:
            eventually(lambda name=task["task_id"]: [t.state for t in view.ask(find_tasks(name))] == ["completed"])  # type: ignore[misc]
    others = typed("dead-letters", "redrive", "--action", "bill", "--yes")
    assert "2 tasks published" in others.err
    assert {line.split()[0] for line in others.out.splitlines()[1:]}.isdisjoint(t["letter"] for t in done["tasks"])

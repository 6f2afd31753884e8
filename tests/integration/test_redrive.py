"""The road of a dead letter: a handler fails, the letter is seen, its cause is mended, and its task is done again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from confluent_kafka import Producer

from mabos.consumers import AgentGroup, RetryPolicy, Task
from mabos.consumers.republishing import Republisher
from mabos.gateway.app import create_app
from mabos.gateway.errors import RedriveRuns
from mabos.gateway.principals import LOCAL, Principal
from mabos.gateway.redriveruns import Redrives, Wanted
from mabos.gateway.redrivestore import RedriveStore
from mabos.kafka.clients import librdkafka_config
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.producers import PublishFailed, TaskProducer
from mabos.streams.database import connect
from mabos.streams.inquiries import find_tasks
from mabos.streams.letter_inquiries import pick_letters
from mabos.streams.letters import LetterFilter, ViewedLetter
from mabos.streams.local_database import LocalDatabase
from mabos.streams.redriving import Redriving
from mabos.streams.view import TaskView
from tests.support.platform import Platform
from tests.support.road import read_topic, running
from tests.support.view import make_view
from tests.support.view import running as projecting
from tests.support.waiting import eventually

WAIT_S = 60.0


@pytest.fixture
def settings(platform: Platform, database: LocalDatabase) -> Settings:
    """A queue of the test's own, with its view in that database."""
    return make_view(platform, database)


def wait(look: Callable[[], object]) -> None:
    eventually(look, timeout_s=WAIT_S)  # type: ignore[arg-type, type-var]


def letters_of(settings: Settings) -> tuple[ViewedLetter, ...]:
    with TaskView(settings) as view:
        return view.ask(pick_letters(LetterFilter(), Queue(name=settings.queue).dead_letters, 100))


def requests_of(settings: Settings) -> list[bytes | None]:
    """The plans by which the requests in the log were published."""
    return [stored.header.get("mabos-redrive") for stored in read_topic(settings, Queue(name=settings.queue).requests)]


@contextmanager
def failing(settings: Settings) -> Iterator[dict[str, str]]:
    """A worker whose handler fails as long as ``cause`` says something, and a projector beside it."""
    broken = {"cause": "no customer"}
    agents = AgentGroup(f"redrive-{settings.queue}", retry=RetryPolicy(max_attempts=1))

    @agents.on_task_request()
    def work(task: Task) -> dict[str, Any]:
        if broken["cause"]:
            raise LookupError(f"{broken['cause']} {task.payload['n']}")
        return {"n": task.payload["n"]}

    with projecting(settings), running(agents, settings):
        yield broken


def call(settings: Settings, *requests: tuple[str, str, Any]) -> list[httpx.Response]:
    """Ask a gateway."""

    async def run() -> list[httpx.Response]:
        app = create_app(settings)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            try:
                return [await client.request(method, path, json=body) for method, path, body in requests]
            finally:
                await app.disconnect()

    return asyncio.run(run())


def test_a_letter_is_seen_and_its_task_done_again(settings: Settings) -> None:
    """With its stack and its payload; both tasks name each other, and whoever applies a plan twice changes nothing."""
    with failing(settings) as broken, TaskProducer(settings) as producer:
        for number in range(3):
            producer.send_task_request(
                agent_id=f"billing-{number}",
                task_id="old",
                payload={"action": "sum", "n": number},
                headers={"mine": "kept", "mabos-asked-by": "[]"},
            )
        wait(lambda: len(letters_of(settings)) == 3)
        [groups] = call(settings, ("GET", "/api/dead-letters/groups", None))
        [group] = groups.json()["groups"]
        assert (group["count"], group["waiting"], group["action"]) == (3, 3, "sum")
        [listed] = call(settings, ("GET", f"/api/dead-letters?agent_id=billing-1&cause={group['cause_id']}", None))
        [letter] = listed.json()["letters"]
        [shown] = call(settings, ("GET", f"/api/dead-letters/{letter['position']}", None))
        whole = shown.json()
        assert (whole["payload"], whole["key"], whole["attempts"]) == ({"action": "sum", "n": 1}, "billing-1", 1)
        assert whole["stack"].endswith("LookupError: no customer 1\n")
        assert {"name": "mine", "value": "kept"} in whole["headers"]
        assert whole["raw"] is not None

        broken["cause"] = ""
        [made] = call(settings, ("POST", "/api/dead-letters/redrives", {"cause_id": group["cause_id"]}))
        plan = made.json()
        assert (made.status_code, plan["count"], plan["agents"], plan["refused"]) == (201, 3, 3, [])
        assert len(requests_of(settings)) == 3, "a plan publishes nothing"
        path = made.headers["location"]
        applied, again, seen = call(
            settings, ("POST", f"{path}/apply", None), ("POST", f"{path}/apply", None), ("GET", path, None)
        )
        assert (applied.status_code, applied.json()["published"]) == (202, 3)
        assert again.json() == applied.json()
        assert seen.json()["applied_at"] is not None
        assert requests_of(settings).count(plan["plan_id"].encode()) == 3
        new = {task["agent_id"]: task["task_id"] for task in plan["tasks"]}["billing-1"]
        with TaskView(settings) as view:
            wait(lambda: [task.state for task in view.ask(find_tasks(new))] == ["completed"])
            [task] = view.ask(find_tasks(new))
            [old] = view.ask(find_tasks("old", "billing-1"))
        assert task.redrive_of == old.reference
        [relisted] = call(settings, ("GET", "/api/dead-letters?agent_id=billing-1", None))
        [letter] = relisted.json()["letters"]
        assert letter["redriven"] == [{"task_id": new, "agent_id": "billing-1", "state": "completed"}]
        [late] = call(settings, ("POST", "/api/dead-letters/redrives", {"positions": [letter["position"]]}))
        assert "redriven already" in late.json()["refused"][0]["why"]
    sent = [
        stored
        for stored in read_topic(settings, Queue(name=settings.queue).requests)
        if "mabos-redrive" in stored.header
    ]
    assert {(stored.header["mine"], stored.header.get("mabos-asked-by")) for stored in sent} == {(b"kept", None)}


def test_an_edited_payload_is_asked_instead(settings: Settings) -> None:
    """Of one letter; of several letters of one task one is redriven, and what cannot be is named."""
    topic = Queue(name=settings.queue).dead_letters
    with failing(settings) as broken, TaskProducer(settings) as producer:
        place = producer.send_task_request(agent_id="a", task_id="old", payload={"n": 1}).result()
        raw = Producer(librdkafka_config(settings, "producer"))
        raw.produce(Queue(name=settings.queue).requests, b"junk", key=b"a", partition=place.partition)
        raw.flush()
        wait(lambda: len(letters_of(settings)) == 2)
        stored = read_topic(settings, topic)[0]
        raw.produce(topic, stored.value, key=stored.key, headers=stored.headers, partition=stored.partition)
        raw.flush()
        wait(lambda: len(letters_of(settings)) == 3)
        broken["cause"] = ""
        redrives, caller = Redrives(settings), LOCAL
        places = tuple(letter.position(topic) for letter in letters_of(settings))
        plan = redrives.plan(Wanted(places=(*places, places[0]._replace(offset=99))), caller)
        first = plan
        assert len(plan.steps) == 1
        whys = {refusal.letter: refusal.why for refusal in plan.refused}
        assert whys[str(places[1])] == "the record is no task request"
        assert "same task" in whys[str(places[2])]
        assert "no such letter" in whys[str(places[0]._replace(offset=99))]
        plan = redrives.plan(Wanted(places=places[:1], payload={"n": 42}), caller)
        assert redrives.apply(plan.plan_id, caller)["published"] == 1
        with TaskView(settings) as view:
            wait(lambda: [task.result for task in view.ask(find_tasks(plan.steps[0].task_id))] == ['{"n":42}'])
        beaten = redrives.apply(first.plan_id, caller)
        assert (beaten["published"], beaten["refused"][0]["letter"]) == (0, str(places[0]))
        assert "redriven meanwhile" in beaten["refused"][0]["why"]
        late = redrives.apply(redrives.plan(Wanted(places=places[:1]), caller).plan_id, caller)
        assert late["published"] == 0
    stranger = Principal(name="key:x", scopes=LOCAL.scopes, agents=("other-*",))
    assert len(redrives.plan(Wanted(places=places), stranger).steps) == 0
    with pytest.raises(Exception, match="no plan"):
        redrives.apply(plan.plan_id, stranger)


def test_a_redrive_that_was_cut_off_goes_on(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has published is not published again; meanwhile nobody else applies it."""
    with failing(settings), TaskProducer(settings) as producer:
        for number in range(4):
            producer.send_task_request(agent_id="a", task_id=f"t{number}", payload={"n": number})
        wait(lambda: len(letters_of(settings)) == 4)
    redrives = Redrives(settings)
    plan = redrives.plan(Wanted(fitting=LetterFilter(agent_id="a", is_redriven=False)), LOCAL)
    with RedriveStore(settings).claim(plan.plan_id), pytest.raises(RedriveRuns):
        redrives.apply(plan.plan_id, LOCAL)
    publish, published = Republisher.publish, []

    def fail_at_the_third(self: Republisher, *given: Any) -> None:
        if len(published) == 2:
            raise PublishFailed("cut off", may_be_stored=False)
        published.append(given)
        publish(self, *given)

    with monkeypatch.context() as patched:
        patched.setattr(Republisher, "publish", fail_at_the_third)
        with pytest.raises(PublishFailed):
            redrives.apply(plan.plan_id, LOCAL)
    assert requests_of(settings).count(plan.plan_id.encode()) == 2
    done: list[int] = []
    result = redrives.apply(plan.plan_id, LOCAL, lambda count, _: done.append(count))
    assert (result["published"], done[-1]) == (4, 4)
    assert requests_of(settings).count(plan.plan_id.encode()) == 4
    with connect(settings, "mabos_gateway") as connection:
        connection.execute("UPDATE redrive_plans SET expires_at = now()")
    with pytest.raises(Exception, match="kept for a day"):
        redrives.apply(plan.plan_id, LOCAL)


def test_of_two_plans_for_one_letter_one_publishes(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """However close, and though the view knows of neither; the other says which has it. Once that is over, it may."""
    with failing(settings), TaskProducer(settings) as producer:
        for number in range(2):
            producer.send_task_request(agent_id="a", task_id=f"t{number}", payload={"n": number})
        wait(lambda: len(letters_of(settings)) == 2)
    redrives, wanted = Redrives(settings), Wanted(fitting=LetterFilter(is_redriven=False))
    first, *others = [redrives.plan(wanted, LOCAL) for _ in range(4)]

    def fail(*_: Any, **__: Any) -> None:
        raise PublishFailed("cut off", may_be_stored=False)

    with monkeypatch.context() as patched:
        patched.setattr(Redriving, "publish", fail)
        with pytest.raises(PublishFailed):
            redrives.apply(first.plan_id, LOCAL)
    beaten = redrives.apply(others[0].plan_id, LOCAL)
    assert [first.plan_id in refused["why"] for refused in beaten["refused"]] == [True, True], "that goes on with them"
    with ThreadPoolExecutor() as threads:
        results = list(threads.map(lambda plan: redrives.apply(plan.plan_id, LOCAL), [first, *others[1:]]))
    assert [result["published"] for result in results] == [2, 0, 0]
    assert len([plan for plan in requests_of(settings) if plan is not None]) == 2
    last = redrives.plan(Wanted(places=(letters_of(settings)[0].position(first.topic),)), LOCAL)
    with failing(settings):  # they fail again
        wait(lambda: {task.state for letter in letters_of(settings) for task in letter.redriven} == {"failed"})
        assert redrives.apply(last.plan_id, LOCAL)["published"] == 1

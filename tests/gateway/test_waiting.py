"""``Prefer: wait``: the outcome in the answer, if it comes in time."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from mabos.gateway.waiting import read_wait_s
from mabos.kafka.errors import BrokerUnavailable
from mabos.producers import PublishFailed
from mabos.schemas.events import Status, TaskError
from tests.gateway.fakes import Door
from tests.gateway.sockets import GOOD, POST, Answer, Client, ask, serve
from tests.support.waiting import eventually

WAIT = POST + b"Prefer: wait=30\r\nContent-Length: %d\r\n\r\n" % len(GOOD) + GOOD
BRIEF = POST + b"Prefer: wait=1\r\nContent-Length: %d\r\n\r\n" % len(GOOD) + GOOD


@pytest.mark.parametrize(
    ("prefer", "wait_s"),
    [
        (None, 0),
        ("", 0),
        ("wait=10", 10),
        ("WAIT = 10", 10),
        ('wait="10"', 10),
        ("respond-async, wait=7", 7),
        ("respond-async, wait=7; why=not, wait=9", 7),
        ("wait=99999", 60),
        ("wait=0", 0),
        ("wait", 0),
        ("wait=-1", 0),
        ("wait=1.5", 0),
        ("wait=٣", 0),
        ("wait=" + "9" * 5000, 0),
        ("await=3", 0),
    ],
)
def test_what_a_preference_means(prefer: str | None, wait_s: int) -> None:
    """As RFC 7240 has it: what is not understood is ignored, the first of two counts, too long is cut."""
    assert read_wait_s(prefer) == wait_s


def test_the_outcome_is_the_answer_if_it_comes_in_time() -> None:
    """200 with the response in its JSON shape, exact to the digit, where it stands, and what was applied."""
    door = Door()
    with serve(door.app) as served, Client(served.port) as client:
        client.send(WAIT)
        eventually(lambda: door.producer.sent)
        door.log.respond("1", "other")
        door.log.respond("1", "agent_1", Status.IN_PROGRESS)
        error = TaskError(code="c", message="m")
        position = door.log.respond(
            "1", "agent_1", Status.FAILED, result_json='{"n": 98765432109876543210123,\n"m": 1}', error=error
        )
        answer = client.read()
    assert answer.status == 200
    assert answer.headers["preference-applied"] == "wait=30"
    assert answer.headers["location"] == "/api/tasks/1"
    assert b'"result":{"n": 98765432109876543210123, "m": 1}' in answer.body
    assert json.loads(answer.body) == {
        "type": "TaskResponse",
        "task_id": "1",
        "agent_id": "agent_1",
        "status": "failed",
        "result": {"n": 98765432109876543210123, "m": 1},
        "error": {"code": "c", "message": "m", "retryable": False},
        "attempt": 1,
        "started_at": None,
        "position": position,
    }


def test_an_outcome_before_the_acknowledgement_is_not_missed() -> None:
    """Who waits is registered before the task is published: a worker may be faster than the broker's report."""
    door = Door()
    door.producer.hold = True
    with serve(door.app) as served, Client(served.port) as client:
        client.send(WAIT)
        eventually(lambda: door.producer.sent)
        door.log.respond("1", "agent_1")
        door.producer.acknowledge_all()
        assert client.read().status == 200


def accepted(answer: Answer) -> dict[str, Any]:
    assert answer.status == 202, answer
    assert "preference-applied" not in answer.headers
    body: dict[str, Any] = json.loads(answer.body)
    return body


def test_a_task_that_takes_longer_is_accepted() -> None:
    """The answer is as without the preference, after the time that was asked for; nobody waits any more."""
    door = Door()
    with serve(door.app) as served:
        assert accepted(ask(served.port, BRIEF))["message"] == "Task request sent"
        assert door.app.waiting.waiters == 0
        assert door.log.feed._waiters == {}


def test_a_client_that_leaves_costs_nothing() -> None:
    """Its waiter goes with it, long before its time is up."""
    door = Door()
    with serve(door.app) as served:
        for _ in range(3):
            with Client(served.port) as client:
                client.send(WAIT)
                eventually(lambda: door.app.waiting.waiters)
            eventually(lambda: door.app.waiting.waiters == 0)
            assert door.log.feed._waiters == {}


def test_a_stop_answers_who_waits() -> None:
    """With what is known: the task is accepted."""
    door = Door()
    with serve(door.app) as served, Client(served.port) as client:
        client.send(WAIT)
        eventually(lambda: door.app.waiting.waiters)
        stopping = threading.Thread(target=served.stop)
        stopping.start()
        accepted(client.read())
        stopping.join()


def test_without_responses_a_task_is_accepted() -> None:
    """A tail that cannot be made, or breaks, keeps no task from being published."""
    door = Door()
    door.log.tail_error = BrokerUnavailable("no Kafka answers")
    with serve(door.app) as served:
        accepted(ask(served.port, WAIT))
    door = Door()
    with serve(door.app) as served, Client(served.port) as client:
        client.send(WAIT)
        eventually(lambda: door.app.waiting.waiters)
        door.log.feed._end(RuntimeError("broke"))
        accepted(client.read())


def test_a_failed_publish_is_told_as_without_waiting() -> None:
    """And leaves no waiter."""
    door = Door()
    door.producer.fail_with = PublishFailed("no broker", may_be_stored=True)
    with serve(door.app) as served:
        problem = ask(served.port, WAIT).problem(503)
        assert (problem["may_be_stored"], problem["task_id"]) == (True, "1")
        assert door.log.feed._waiters == {}


def test_thousands_wait_for_one_agent_at_no_cost_to_each_other() -> None:
    """Each hears of its own task."""
    log = Door().log
    feed = log.feed
    waiters = [feed.expect("a", str(number)) for number in range(5000)]
    for number in reversed(range(5000)):
        log.respond(str(number), "a")
    assert [waiter.result(0) is not None for waiter in waiters] == [True] * 5000
    assert feed._waiters == {}

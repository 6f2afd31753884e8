"""``POST /api/tasks/batch``: an outcome for each item, in order, in bounded memory, whatever is wrong with some."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from mabos.gateway import publishing
from mabos.producers import PublishFailed, PublishQueueFull
from tests.gateway.fakes import Door, registry_away
from tests.gateway.shape import fields_of, read_problem
from tests.gateway.sockets import Client, serve
from tests.support.waiting import eventually

PATH = "/api/tasks/batch"
NDJSON = {"content-type": "application/x-ndjson"}
HEAD = b"POST /api/tasks/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"


def line(number: int, **more: Any) -> str:
    return json.dumps({"task_id": str(number), "agent_id": "a", "payload": {"n": number}} | more)


def outcomes(text: str) -> list[dict[str, Any]]:
    return [json.loads(one) for one in text.splitlines()]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def test_lines_are_answered_line_by_line() -> None:
    """Each with its number, its name and its position; tasks are published in the order of the lines."""
    door = Door()
    answer = door.ask("POST", PATH, content="\n".join([line(1), "", line(2), line(3)]), headers=NDJSON)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    assert outcomes(answer.text) == [
        {"number": number, "task_id": str(task), "position": f"mabos.tasks.requests:7:{task - 1}"}
        for number, task in ((1, 1), (3, 2), (4, 3))
    ]
    assert [sent.payload for sent in door.producer.sent] == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_an_array_is_answered_with_an_array() -> None:
    """Item by item, numbered from 1; what is no task does not stop the rest."""
    door = Door()
    answer = door.ask("POST", PATH, json=[json.loads(line(1)), 7, {"agent_id": "a"}, json.loads(line(4))])
    assert answer.status_code == 200
    items = answer.json()
    assert [item["number"] for item in items] == [1, 2, 3, 4]
    assert [item.get("task_id") for item in items] == ["1", None, None, "4"]
    assert [item["problem"]["status"] for item in items[1:3]] == [422, 422]
    assert items[2]["problem"]["errors"] == [{"field": "payload", "message": "is required"}]
    assert Door().ask("POST", PATH, json=[]).json() == []


@pytest.mark.parametrize(
    ("bad", "status", "field"),
    [
        ("{", 422, "body"),
        ("7", 422, "body"),
        ("[]", 422, "body"),
        ('{"a": NaN}', 422, "body"),
        ('{"a": 1, "a": 2}', 422, "body"),
        ("[" * 100_000, 413, None),
        ("[" * 1000, 422, "body"),
        (line(1, agent_id=""), 422, "agent_id"),
        (line(1, payload=7), 422, "payload"),
        (line(1, deadline="soon"), 422, "deadline"),
        (line(1, agentid="a"), 422, "agentid"),
        (line(1, payload={"x": "y" * 5000}), 422, "payload"),
        (line(1, payload={"x": "y" * 70_000}), 413, None),
    ],
)
def test_a_bad_line_is_told_with_number_and_field(bad: str, status: int, field: str | None) -> None:
    """And does not stop the rest."""
    door = Door()
    answer = door.ask("POST", PATH, content="\n".join([line(1), bad, line(3)]), headers=NDJSON)
    first, told, last = outcomes(answer.text)
    assert (first["task_id"], last["task_id"]) == ("1", "3")
    assert (told["number"], told["problem"]["status"]) == (2, status)
    assert [error["field"] for error in told["problem"].get("errors", [])] == ([] if field is None else [field])
    assert len(door.producer.sent) == 2


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ("[]", {"content-type": "text/plain"}, 415),
        ("[]", {}, 415),
        ("[]", {"content-type": "application/json; charset=utf-16"}, 415),
        ("[]", {"content-type": "application/x-ndjson", "content-encoding": "gzip"}, 415),
        ("{}", {"content-type": "application/json"}, 422),
        ("[NaN]", {"content-type": "application/json"}, 422),
        ("[", {"content-type": "application/json"}, 400),
        ("", {"content-type": "application/json"}, 400),
        ("[" + "{}," * 10_000 + "{}]", {"content-type": "application/json"}, 413),
        ("[" + " " * 5_000_000 + "]", {"content-type": "application/json"}, 413),
    ],
)
def test_a_body_that_cannot_be_read_at_all_is_one_problem(body: str, headers: dict[str, str], status: int) -> None:
    """Nothing of it is published."""
    door = Door()
    read_problem(door.ask("POST", PATH, content=body, headers=headers), status)
    assert door.producer.sent == []


def test_without_the_registry_a_batch_is_refused_as_a_whole() -> None:
    """503, before anything is read."""
    door = Door()
    door.factory.error = registry_away()
    read_problem(door.ask("POST", PATH, content=line(1), headers=NDJSON), 503)


def test_what_the_broker_did_not_take_is_told_for_each() -> None:
    """With what is known: a task that may be stored, and one that is not."""
    door = Door()
    door.producer.fail_with = PublishFailed("no broker", may_be_stored=True)
    (told,) = outcomes(door.ask("POST", PATH, content=line(1), headers=NDJSON).text)
    assert (told["task_id"], told["problem"]["status"], told["problem"]["may_be_stored"]) == ("1", 503, True)
    door.producer.refuse_with = PublishQueueFull("full")
    (told,) = outcomes(door.ask("POST", PATH, content=line(2), headers=NDJSON).text)
    assert (told["problem"]["status"], told["problem"]["may_be_stored"]) == (503, False)
    assert fields_of(told["problem"]) == []


def test_a_line_is_answered_before_the_next_is_sent() -> None:
    """A stream may last as long as it likes: outcomes do not wait for the end of the body."""
    door = Door()
    with serve(door.app) as served, Client(served.port) as client:
        client.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for number in range(1, 4):
            client.send(chunk(line(number).encode() + b"\n"))
            if number == 1:
                assert client.read_head().status == 200
            assert outcomes(client.read_chunk().decode())[0]["task_id"] == str(number)
        client.send(chunk(b""))
        assert client.read_chunk() == b""


def test_a_client_that_sends_all_before_it_reads_is_served() -> None:
    """A hundred thousand outcomes wait for it on disk, and neither side stands still."""
    door = Door()
    body = b"".join(b'{"agent_id":"a","payload":{}}\n' for _ in range(20_000))
    with serve(door.app) as served, Client(served.port) as client:
        client.send(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        client.read_head()
        told = outcomes(client.read_rest().decode())
    assert [item["number"] for item in told] == list(range(1, 20_001))
    assert len({item["task_id"] for item in told}) == 20_000


def test_tasks_on_their_way_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the broker acknowledges nothing, no more than so many are published, and the body waits."""
    monkeypatch.setattr(publishing, "WINDOW", 100)
    door = Door()
    door.producer.hold = True
    body = b"".join(line(number).encode() + b"\n" for number in range(1, 501))
    with serve(door.app) as served, Client(served.port) as client:
        client.send(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        eventually(lambda: len(door.producer.sent) == 100)
        answered = threading.Event()

        def acknowledge() -> bool:
            assert len(door.producer.sent) <= 600
            door.producer.acknowledge_all()
            return answered.is_set()

        reading = threading.Thread(target=lambda: (client.read_head(), client.read_rest(), answered.set()))
        reading.start()
        eventually(acknowledge, every_s=0.01)
        reading.join()
    assert [sent.task_id for sent in door.producer.sent] == [str(number) for number in range(1, 501)]


def test_a_stop_ends_a_batch_where_it_stands() -> None:
    """What was read is answered; the last line says from where on nothing was read."""
    door = Door()
    with serve(door.app) as served, Client(served.port) as client:
        client.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(line(1).encode() + b"\n"))
        client.read_head()
        assert outcomes(client.read_chunk().decode())[0]["task_id"] == "1"
        stopping = threading.Thread(target=served.stop)
        stopping.start()
        (last,) = outcomes(client.read_rest().decode())
        assert (last["number"], last["problem"]["status"]) == (2, 503)
        assert "stopping" in last["problem"]["detail"]
        client.close()
        stopping.join()


def test_a_body_that_stands_still_is_given_up() -> None:
    """The last line says so."""
    door = Door(body_timeout_s=0.2)
    with serve(door.app) as served, Client(served.port) as client:
        client.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(line(1).encode() + b"\n"))
        client.read_head()
        *_, last = outcomes(client.read_rest().decode())
        assert (last["number"], last["problem"]["status"]) == (2, 408)


def test_a_sender_that_leaves_ends_its_batch() -> None:
    """What came whole was published; nothing goes on for the rest."""
    door = Door()
    with serve(door.app) as served:
        with Client(served.port) as client:
            client.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(line(1).encode() + b"\n" + b'{"a'))
            eventually(lambda: door.producer.sent)
        eventually(lambda: not served.server.server_state.tasks)
    assert len(door.producer.sent) == 1

"""``POST /api/tasks``: what is taken, what is refused, and what is said of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mabos.gateway.tasks import trace_headers
from mabos.kafka.settings import Settings
from mabos.producers import ProducerStopped, PublishFailed, PublishQueueFull, RecordTooLarge
from mabos.schemas.errors import RegistryError
from tests.gateway.fakes import Door, registry_away
from tests.gateway.shape import fields_of, read_problem

GOOD = {"agent_id": "agent_1", "payload": {"action": "test"}}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def with_member(name: str, value: object) -> str:
    return json.dumps(GOOD | {name: value})


def test_the_call_of_the_plan_is_taken() -> None:
    """The literal call answers as the plan says, and the task goes to its agent as it was sent."""
    door = Door()
    answer = door.post('{"task_id": "1", "agent_id": "agent_1", "payload": {"action": "test"}}')
    assert answer.status_code == 202
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["location"] == "/api/tasks/1"
    assert answer.json() == {
        "message": "Task request sent",
        "task_id": "1",
        "position": "mabos.tasks.requests:7:0",
    }
    (sent,) = door.producer.sent
    assert (sent.task_id, sent.agent_id, sent.payload) == ("1", "agent_1", {"action": "test"})
    assert (sent.deadline, sent.headers) == (None, None)


def test_a_task_without_a_name_gets_one() -> None:
    """Two tasks sent without a name get different ones, which the answers tell."""
    door = Door()
    names = [door.post(json.dumps(GOOD)).json()["task_id"] for _ in range(2)]
    assert names == [sent.task_id for sent in door.producer.sent]
    assert len(set(names)) == 2


@pytest.mark.parametrize(
    ("task_id", "path"),
    [("a/b?c#d", "a%2Fb%3Fc%23d"), ("ä 1", "%C3%A4%201"), ("%2F", "%252F"), ("🚀", "%F0%9F%9A%80")],
)
def test_the_location_is_a_path_whatever_the_name(task_id: str, path: str) -> None:
    """A task's name may hold any character; Location escapes it."""
    answer = Door().post(with_member("task_id", task_id))
    assert answer.headers["location"] == f"/api/tasks/{path}"
    assert answer.json()["task_id"] == task_id


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2030-01-31T12:00:00Z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31t12:00:00z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31 12:00:00.5+02:00", datetime(2030, 1, 31, 10, 0, 0, 500_000, tzinfo=UTC)),
        ("2030-01-31T12:00:00.123456789-00:30", datetime(2030, 1, 31, 12, 30, 0, 123_456, tzinfo=UTC)),
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
        (None, None),
    ],
)
def test_a_deadline_is_a_moment(text: str | None, moment: datetime | None) -> None:
    """RFC 3339 with any zone is taken; one that has passed too: the agent's worker answers that it expired."""
    door = Door()
    assert door.post(with_member("deadline", text)).status_code == 202
    assert door.producer.sent[0].deadline == moment


@pytest.mark.parametrize(
    "body",
    [
        with_member("type", "TaskRequest"),
        with_member("task_id", None),
        with_member("task_id", "x" * 255),
        with_member("agent_id", "ä" * 127),
        with_member("payload", {}),
        with_member("payload", {"deep": [[[{"a": [None, True, 1.5, -1, "x"]}]]]}),
        with_member("payload", {"n": 2**64 - 1, "m": -(2**63)}),
        "\t\r\n " + json.dumps(GOOD) + "\n",
    ],
)
def test_what_is_allowed_is_taken(body: str) -> None:
    """Every member at the edge of what the contract allows."""
    assert Door().post(body).status_code == 202


BAD_FIELDS: list[tuple[str, str, str]] = [
    ('{"payload": {}}', "agent_id", "is required"),
    ('{"agent_id": "a"}', "payload", "is required"),
    (with_member("agent_id", None), "agent_id", "must be a string, not null"),
    (with_member("agent_id", 12), "agent_id", "must be a string, not a number"),
    (with_member("agent_id", True), "agent_id", "must be a string, not a boolean"),
    (with_member("agent_id", []), "agent_id", "must be a string, not an array"),
    (with_member("agent_id", ""), "agent_id", "must not be empty"),
    (with_member("agent_id", "a\x00b"), "agent_id", "control characters"),
    (with_member("agent_id", "a\nb"), "agent_id", "control characters"),
    (with_member("agent_id", "x" * 256), "agent_id", "takes 256 bytes, at most 255"),
    (with_member("agent_id", "ä" * 128), "agent_id", "takes 256 bytes, at most 255"),
    (with_member("task_id", 1), "task_id", "must be a string, not a number"),
    (with_member("task_id", {}), "task_id", "must be a string, not an object"),
    (with_member("task_id", ""), "task_id", "must not be empty"),
    (with_member("task_id", "x" * 300), "task_id", "takes 300 bytes"),
    (with_member("payload", None), "payload", "must be a JSON object, not null"),
    (with_member("payload", "{}"), "payload", "must be a JSON object, not a string"),
    (with_member("payload", [1]), "payload", "must be a JSON object, not an array"),
    (with_member("payload", 1.5), "payload", "must be a JSON object, not a number"),
    (with_member("payload", {"x": "y" * 5000}), "payload", "at most 4096"),
    (with_member("type", "TaskResponse"), "type", 'must be "TaskRequest"'),
    (with_member("type", None), "type", 'must be "TaskRequest"'),
    (with_member("deadline", 1_900_000_000), "deadline", "must be a string, not a number"),
    (with_member("deadline", "tomorrow"), "deadline", "RFC 3339"),
    (with_member("deadline", "2030-01-31T12:00:00"), "deadline", "with its zone"),
    (with_member("deadline", "2030-01-31"), "deadline", "RFC 3339"),
    (with_member("deadline", "2030-02-31T12:00:00Z"), "deadline", "is no time"),
    (with_member("deadline", "2030-01-31T25:00:00Z"), "deadline", "is no time"),
    (with_member("deadline", "1969-12-31T23:59:59Z"), "deadline", "1970"),
    (with_member("deadline", "0001-01-01T00:00:00+23:59"), "deadline", "1970"),
    (with_member("deadline", "9999-12-31T23:59:59-23:59"), "deadline", "9999"),
    (with_member("deadline", "٢٠٣٠-01-31T12:00:00Z"), "deadline", "RFC 3339"),
    (with_member("agentid", "a"), "agentid", "did you mean agent_id?"),
    (with_member("Payload", {}), "Payload", "did you mean payload?"),
    (with_member("zzz", 1), "zzz", "is no field of this body"),
    (with_member("priority", -1), "priority", "is no field of this body"),
    ("[]", "body", "must be a JSON object, not an array"),
    ("null", "body", "must be a JSON object, not null"),
    ('"text"', "body", "must be a JSON object, not a string"),
    ("12", "body", "must be a JSON object, not a number"),
    ('{"agent_id": "a", "payload": {"a": NaN}}', "body", "NaN"),
    ('{"agent_id": "a", "payload": {"a": -Infinity}}', "body", "Infinity"),
    ('{"agent_id": "a", "payload": {"a": 1e400}}', "body", "too large"),
    ('{"agent_id": "a", "payload": {"a": 1180591620717411303424}}', "body", "64 bits"),
    ('{"agent_id": "a", "payload": {"a": ' + "9" * 4000 + "}}", "body", "64 bits"),
    ('{"agent_id": "a", "payload": {"a": "\\ud800"}}', "body", "surrogate"),
    ('{"agent_id": "a", "payload": {"\\ud800": 1}}', "body", "surrogate"),
    ('{"agent_id": "\\udc00", "payload": {}}', "body", "surrogate"),
    ('{"agent_id": "a", "agent_id": "b", "payload": {}}', "body", "stands twice"),
    ('{"agent_id": "a", "payload": {"x": 1, "x": 1}}', "body", "stands twice"),
    ('{"agent_id": "a", "payload": ' + '{"a":' * 64 + "1" + "}" * 64 + "}", "body", "deeper than 64"),
    ("[" * 30_000, "body", "deeper than 64"),
]


@pytest.mark.parametrize(("body", "field", "says"), BAD_FIELDS, ids=lambda text: text[:40])
def test_a_refused_field_is_named(body: str, field: str, says: str) -> None:
    """What the contract does not allow is a 422 that names the field and what is wrong; nothing is sent."""
    door = Door()
    problem = read_problem(door.post(body), 422)
    assert fields_of(problem) == [field]
    assert says in problem["errors"][0]["message"]
    assert says in problem["detail"]
    assert door.producer.sent == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "is empty"),
        (b" \n ", "is empty"),
        (b"{", "is not JSON"),
        (b'{"agent_id": "a", "payload": {', "is not JSON"),
        (b'{"agent_id": "a" "payload": {}}', "column 18"),
        (b'{"agent_id": "a", "payload": {}} x', "is not JSON"),
        (b"agent_id=a&payload=%7B%7D", "is not JSON"),
        (b'{"agent_id": "\xff", "payload": {}}', "is not UTF-8"),
        (b'{"agent_id": "\xed\xa0\x80", "payload": {}}', "is not UTF-8"),
        (json.dumps(GOOD).encode("utf-16"), "is not UTF-8"),
        (b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), "is not JSON"),
    ],
)
def test_what_is_no_json_is_a_400(body: bytes, says: str) -> None:
    """A text that is not JSON at all is told apart from JSON that is refused."""
    problem = read_problem(Door().post(body), 400)
    assert fields_of(problem) == ["body"]
    assert says in problem["detail"]


def test_all_refused_fields_are_named_at_once() -> None:
    """A caller mends a body in one go."""
    problem = read_problem(Door().post('{"agent_id": 1, "payload": 2, "task_id": 3, "x": 4}'), 422)
    assert sorted(fields_of(problem)) == ["agent_id", "payload", "task_id", "x"]
    assert "(and 3 more)" in problem["detail"]


def test_a_flood_of_refused_fields_is_cut_short() -> None:
    """Thousands of unknown members make no answer of thousands of lines, and long names are cut."""
    body = json.dumps(GOOD | {f"{'n' * 200}{number}": 1 for number in range(200)})
    problem = read_problem(Door().post(body), 422)
    assert len(problem["errors"]) == 20
    assert all(len(field) <= 100 for field in fields_of(problem))
    assert "(and 199 more)" in problem["detail"]


@pytest.mark.parametrize(
    "trace", [TRACE, TRACE.replace("00-", "01-", 1), TRACE.replace("00-", "cc-", 1) + "-more.data"]
)
def test_a_trace_goes_with_the_task(trace: str) -> None:
    """The caller's traceparent is handed on as a Kafka header."""
    door = Door()
    assert door.post(json.dumps(GOOD), traceparent=trace).status_code == 202
    assert door.producer.sent[0].headers == {"traceparent": trace}


@pytest.mark.parametrize(
    "trace",
    [
        "",
        "nonsense",
        TRACE.upper(),
        TRACE.replace("00-", "ff-", 1),
        TRACE + "-more",
        TRACE[:-1],
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
        TRACE + "\n",
        "cc" + TRACE[2:] + "-" + "x" * 10_000,
    ],
    ids=lambda text: text[:40],
)
def test_a_broken_trace_is_left_out(trace: str) -> None:
    """W3C wants a traceparent that cannot be read to be ignored, not the request to be refused."""
    assert trace_headers(trace) is None


def test_a_full_queue_says_when_to_come_back() -> None:
    """A full local queue is a 503 with Retry-After; nothing was sent."""
    door = Door()
    door.producer.refuse_with = PublishQueueFull("the local queue stayed full: send slower")
    answer = door.post(json.dumps(GOOD))
    problem = read_problem(answer, 503)
    assert answer.headers["retry-after"] == "1"
    assert problem["may_be_stored"] is False
    assert "send slower" in problem["detail"]


@pytest.mark.parametrize(("may_be_stored", "says"), [(True, "may be stored"), (False, "is not stored")])
@pytest.mark.parametrize("where", ["refuse_with", "fail_with"])
def test_a_failed_publish_says_what_became_of_the_task(where: str, may_be_stored: bool, says: str) -> None:
    """The caller learns whether the task may be stored, and under which name it is safe to send it again."""
    door = Door()
    setattr(door.producer, where, PublishFailed("no broker answered", may_be_stored=may_be_stored))
    problem = read_problem(door.post(with_member("task_id", "mine")), 503)
    assert problem["may_be_stored"] is may_be_stored
    assert problem["task_id"] == "mine"
    assert says in problem["detail"]
    assert "no broker answered" in problem["detail"]


def test_a_task_larger_than_the_topic_takes_is_a_413() -> None:
    """What no second try can cure is the caller's to change, not the server's."""
    door = Door()
    door.producer.fail_with = RecordTooLarge("the record is larger than topic requests takes", may_be_stored=False)
    problem = read_problem(door.post(json.dumps(GOOD)), 413)
    assert problem["may_be_stored"] is False


def test_a_failed_publish_names_a_task_that_had_no_name() -> None:
    """Without the name that the gateway gave, a caller could not send the same task again."""
    door = Door()
    door.producer.fail_with = PublishFailed("no broker answered", may_be_stored=True)
    problem = read_problem(door.post(json.dumps(GOOD)), 503)
    assert problem["task_id"] == door.producer.sent[0].task_id


@pytest.mark.parametrize(
    "error", [registry_away(), RegistryError("schema is not registered: run `mabos schema register`")]
)
def test_without_the_registry_a_task_is_a_503(error: RegistryError) -> None:
    """The problem says what is away and what to do; an invalid body is still refused as such."""
    door = Door()
    door.factory.error = error
    answer = door.post(json.dumps(GOOD))
    assert read_problem(answer, 503)["detail"] == str(error)
    assert answer.headers["retry-after"] == "2"
    read_problem(door.post("{}"), 422)
    assert door.ask("GET", "/healthz").status_code == 200


def test_a_producer_that_is_stopping_is_a_503() -> None:
    """A task that comes during the stop is refused, and the caller may try elsewhere."""
    door = Door()
    door.producer.refuse_with = ProducerStopped("the producer is stopped: make a new one")
    assert "stopped" in read_problem(door.post(json.dumps(GOOD)), 503)["detail"]


@pytest.mark.parametrize("error", [RuntimeError("password is hunter2"), KeyError("hunter2"), AssertionError("hunter2")])
def test_the_unexpected_is_a_500_that_tells_nothing(error: Exception) -> None:
    """What nobody expected goes to the log; the caller gets a problem without its text."""
    door = Door()
    door.producer.refuse_with = error
    answer = door.post(json.dumps(GOOD))
    read_problem(answer, 500)
    assert "hunter2" not in answer.text


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda items: st.lists(items, max_size=4) | st.dictionaries(st.text(), items, max_size=4),
    max_leaves=12,
)
NEARLY_TASKS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.just("TaskRequest") | ANY_JSON,
        "task_id": st.text() | ANY_JSON,
        "agent_id": st.text() | ANY_JSON,
        "payload": st.dictionaries(st.text(), ANY_JSON, max_size=4) | ANY_JSON,
        "deadline": st.datetimes(timezones=st.timezones() | st.just(UTC)).map(datetime.isoformat) | ANY_JSON,
        "extra": ANY_JSON,
    },
)
FUZZED = Door(settings=Settings(max_payload_bytes=4096))


@settings(deadline=None)  # a busy machine is no failure
@given(body=ANY_JSON | NEARLY_TASKS)
def test_no_json_breaks_the_door(body: Any) -> None:
    """Any JSON is taken as it is, or refused with a problem; none is an error of the server."""
    FUZZED.producer.sent.clear()
    answer = FUZZED.post(json.dumps(body))
    if answer.status_code == 202:
        (sent,) = FUZZED.producer.sent
        assert (sent.agent_id, sent.payload) == (body["agent_id"], body["payload"])
        assert answer.json()["task_id"] == (body.get("task_id") or sent.task_id)
    else:
        assert fields_of(read_problem(answer, 422))
        assert FUZZED.producer.sent == []


@settings(deadline=None)  # a busy machine is no failure
@given(body=st.binary(max_size=200), content_type=st.sampled_from(["application/json", "text/plain", ""]))
def test_no_bytes_break_the_door(body: bytes, content_type: str) -> None:
    """Any bytes under any type are refused with a problem."""
    answer = FUZZED.post(body, content_type=content_type)
    read_problem(answer, answer.status_code)
    assert answer.status_code in (400, 415, 422)

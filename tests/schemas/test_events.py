"""Events: valid once made, and every refusal names its field."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mabos.schemas import InvalidTask, Status, TaskControl, TaskError, TaskRequest, TaskResponse, Verb, new_task_id
from mabos.schemas.codec import CONTROL, REQUEST, RESPONSE, Codec
from mabos.schemas.fields import check_id, from_ms, to_ms
from tests.schemas.strategies import MAX_TIME_MS, controls, is_id, requests, responses

REQUEST_FIELDS: dict[str, Any] = {"task_id": "t", "agent_id": "a", "payload_json": "{}"}
RESPONSE_FIELDS: dict[str, Any] = {"task_id": "t", "agent_id": "a", "status": Status.COMPLETED}
CONTROL_FIELDS: dict[str, Any] = {"task_id": "t", "agent_id": "a", "verb": Verb.CANCEL}


@pytest.mark.parametrize("field", ["task_id", "agent_id"])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "empty"),
        ("x" * 256, "256 bytes"),
        ("é" * 128, "256 bytes"),
        ("a\x00", "control"),
        ("a\n", "control"),
        ("\x7f", "control"),
        ("é\x85", "control"),
        ("\ud800", "surrogate"),
        (None, "string"),
        (b"a", "string"),
        (7, "string"),
    ],
)
def test_a_bad_id_is_refused_by_name(field: str, value: Any, reason: str) -> None:
    """No event carries an empty, overlong, binary or unprintable id, and the error names the field."""
    events = ((TaskRequest, REQUEST_FIELDS), (TaskResponse, RESPONSE_FIELDS), (TaskControl, CONTROL_FIELDS))
    for make, fields in events:
        with pytest.raises(InvalidTask, match=reason) as refused:
            make(**fields | {field: value})
        assert refused.value.field == field


@given(st.text())
def test_ids_are_judged_by_bytes_and_categories(text: str) -> None:
    """Exactly the texts of 1 to 255 bytes of UTF-8 without control characters are ids."""
    try:
        check_id("task_id", text)
    except InvalidTask:
        assert any(0xD800 <= ord(char) < 0xE000 for char in text) or not is_id(text)
    else:
        assert is_id(text)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"attempt": -1}, "attempt"),
        ({"attempt": 2**31}, "attempt"),
        ({"attempt": 1.5}, "attempt"),
        ({"attempt": "1"}, "attempt"),
        ({"started_at_ms": -1}, "started_at"),
        ({"started_at_ms": MAX_TIME_MS + 1}, "started_at"),
        ({"started_at_ms": 1.5}, "started_at"),
        ({"status": "completed"}, "status"),
        ({"result_json": b"{}"}, "result"),
    ],
)
def test_a_bad_response_field_is_refused_by_name(changes: dict[str, Any], field: str) -> None:
    """What Avro or a calendar cannot hold is refused when the response is made."""
    with pytest.raises(InvalidTask) as refused:
        TaskResponse(**RESPONSE_FIELDS | changes)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"deadline_ms": -1}, "deadline"), ({"deadline_ms": "soon"}, "deadline"), ({"payload_json": None}, "payload")],
)
def test_a_bad_request_field_is_refused_by_name(changes: dict[str, Any], field: str) -> None:
    """What Avro or a calendar cannot hold is refused when the request is made."""
    with pytest.raises(InvalidTask) as refused:
        TaskRequest(**REQUEST_FIELDS | changes)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"verb": "cancel"}, "verb", "Verb"),
        ({"reason": None}, "reason", "string"),
        ({"reason": "x" * 1001}, "reason", "1001 bytes"),
        ({"reason": "é" * 501}, "reason", "1002 bytes"),
        ({"reason": "\ud800"}, "reason", "surrogate"),
    ],
)
def test_a_bad_control_field_is_refused_by_name(changes: dict[str, Any], field: str, reason: str) -> None:
    """What Avro cannot hold, and a reason too long for those who keep many, is refused when the control is made."""
    with pytest.raises(InvalidTask, match=reason) as refused:
        TaskControl(**CONTROL_FIELDS | changes)
    assert refused.value.field == field


@given(requests)
def test_a_request_survives_its_record(request: TaskRequest) -> None:
    """The Avro record of a request holds all of it."""
    assert TaskRequest.from_values(**request.to_record()) == request


@given(responses)
def test_a_response_survives_its_record(response: TaskResponse) -> None:
    """The Avro record of a response holds all of it."""
    assert TaskResponse.from_values(**response.to_record()) == response


@given(controls)
def test_a_control_survives_its_record(control: TaskControl) -> None:
    """The Avro record of a control holds all of it, and is its JSON shape."""
    assert TaskControl.from_values(**control.to_record()) == control
    assert control.to_json() == control.to_record()


@given(requests | responses | controls)
def test_values_encode_as_their_event(event: TaskRequest | TaskResponse | TaskControl) -> None:
    """Who has the values need not make the event: the bytes are the same."""
    kind = {TaskRequest: REQUEST, TaskResponse: RESPONSE, TaskControl: CONTROL}[type(event)]
    codec: Codec[Any] = Codec(kind, 1, cast(Any, None))
    assert codec.make_encoder()(event.to_values()) == codec.encode(event)


@given(requests | responses | controls, st.data())
def test_fields_that_never_change_are_encoded_once(
    event: TaskRequest | TaskResponse | TaskControl, data: st.DataObject
) -> None:
    """Whichever they are, the bytes are those of the event."""
    kind = {TaskRequest: REQUEST, TaskResponse: RESPONSE, TaskControl: CONTROL}[type(event)]
    codec: Codec[Any] = Codec(kind, 1, cast(Any, None))
    record = event.to_record()
    fixed = data.draw(st.sets(st.sampled_from(sorted(record))))
    encode = codec.make_encoder(**{name: record[name] for name in fixed})
    assert encode(tuple(value for name, value in record.items() if name not in fixed)) == codec.encode(event)


@given(requests | responses | controls)
def test_an_event_made_of_its_values_is_an_event(event: TaskRequest | TaskResponse | TaskControl) -> None:
    """The short way of a codec makes what the constructor makes, frozen and without room for more."""
    made = type(event).from_values(*event.to_record().values())
    assert (made, hash(made), type(made)) == (event, hash(event), type(event))
    assert pickle.loads(pickle.dumps(made)) == copy.copy(made) == event  # noqa: S301 - our own bytes
    for name in ("task_id", "more"):
        with pytest.raises((FrozenInstanceError, TypeError, AttributeError)):
            setattr(made, name, "x")


def test_a_record_of_another_type_is_refused() -> None:
    """A record that calls itself something else is not taken for an event."""
    with pytest.raises(InvalidTask, match="TaskRequest") as refused:
        TaskRequest.from_values(**TaskRequest(**REQUEST_FIELDS).to_record() | {"type": "Other"})
    assert refused.value.field == "type"
    with pytest.raises(InvalidTask, match="TaskControl"):
        TaskControl.from_values(**TaskControl(**CONTROL_FIELDS).to_record() | {"type": "TaskRequest"})


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"a":NaN}', '"\ud800"', "[" * 100_000])
def test_a_foreign_payload_that_is_no_object_is_refused(text: str) -> None:
    """Reading a payload gives an object or names the field, whatever a foreign producer wrote."""
    with pytest.raises(InvalidTask) as refused:
        _ = TaskRequest(**REQUEST_FIELDS | {"payload_json": text}).payload
    assert refused.value.field == "payload"


def test_json_shapes() -> None:
    """The JSON shapes are the fields with objects as objects and times as RFC 3339 in UTC with milliseconds."""
    request = TaskRequest(task_id="t", agent_id="a", payload_json='{"action":"add"}', deadline_ms=1_790_000_000_007)
    assert request.to_json() == {
        "type": "TaskRequest",
        "task_id": "t",
        "agent_id": "a",
        "payload": {"action": "add"},
        "deadline": "2026-09-21T14:13:20.007Z",
    }
    response = TaskResponse(
        task_id="t", agent_id="a", status=Status.FAILED, error=TaskError(code="oops", message="no"), attempt=2
    )
    assert response.to_json() == {
        "type": "TaskResponse",
        "task_id": "t",
        "agent_id": "a",
        "status": "failed",
        "result": {},
        "error": {"code": "oops", "message": "no", "retryable": False},
        "attempt": 2,
        "started_at": None,
    }
    assert TaskControl(**CONTROL_FIELDS, reason="asked twice").to_json() == {
        "type": "TaskControl",
        "task_id": "t",
        "agent_id": "a",
        "verb": "cancel",
        "reason": "asked twice",
    }


@given(st.integers(0, MAX_TIME_MS))
def test_no_millisecond_is_lost(value_ms: int) -> None:
    """Milliseconds survive the way to a datetime, to text and back, up to the year 9999."""
    moment = from_ms(value_ms)
    assert to_ms("deadline", moment) == value_ms
    shown = TaskRequest(**REQUEST_FIELDS | {"deadline_ms": value_ms}).to_json()["deadline"]
    assert to_ms("deadline", datetime.fromisoformat(shown)) == value_ms


def test_datetimes_in_any_zone_mean_their_moment() -> None:
    """A deadline may be given in any time zone; one without is refused, for nobody knows what it means."""
    here = datetime(2026, 1, 1, 12, 0, 0, 57_999, tzinfo=timezone(timedelta(hours=2)))
    assert from_ms(to_ms("deadline", here)) == datetime(2026, 1, 1, 10, 0, 0, 57_000, tzinfo=UTC)
    with pytest.raises(InvalidTask, match="time zone"):
        to_ms("deadline", here.replace(tzinfo=None))
    assert to_ms("deadline", None) is None


def test_only_in_progress_leaves_a_task_open() -> None:
    """Each status but in_progress ends its task."""
    assert [status for status in Status if not status.is_terminal] == [Status.IN_PROGRESS]


def test_task_ids_are_uuids_of_version_7_that_sort_by_time() -> None:
    """A new task id is an RFC 9562 UUIDv7, unique, and never sorts before one of an earlier millisecond."""
    made = [new_task_id() for _ in range(2000)]
    assert len(set(made)) == len(made)
    assert {(UUID(text).version, UUID(text).variant) for text in made} == {(7, "specified in RFC 4122")}
    milliseconds = [UUID(text).int >> 80 for text in made]
    assert milliseconds == sorted(milliseconds)

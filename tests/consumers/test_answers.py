"""What a worker writes: responses, and dead letters."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mabos.consumers.answers import shorten, shrink_letter
from mabos.kafka.position import Position
from mabos.schemas.events import Status, TaskError
from tests.support.jobs import QUEUE, RESPONSES, make_answers, make_job

PLACE = Position("mabos.tasks.requests", 7, 42)


def test_a_response_goes_where_its_request_stands() -> None:
    """Same partition, the agent's key, and the request's names."""
    job = make_job("agent é", partition=7, offset=42)
    job.attempt = 2
    error = TaskError(code="handler_failed", message="no")
    record = make_answers().respond(job, Status.FAILED, result_json='{"a":1}', error=error, started_at_ms=5)
    assert (record.topic, record.partition, record.key) == (QUEUE.responses, 7, "agent é".encode())
    response = RESPONSES.decode(record.value)
    assert (response.task_id, response.agent_id, response.attempt) == ("t-7-42", "agent é", 2)
    assert (response.status, response.result, response.error, response.started_at_ms) == (
        Status.FAILED,
        {"a": 1},
        error,
        5,
    )


@given(
    key=st.none() | st.binary(),
    value=st.none() | st.binary(),
    headers=st.lists(st.tuples(st.text(st.characters(codec="utf-8"), min_size=1), st.binary()), max_size=4),
)
def test_a_dead_letter_keeps_the_raw_record(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    """Key, value and headers are byte for byte what was read; cause and origin stand behind them."""
    letter = make_answers().bury_raw(PLACE, key, value, headers, code="bad_magic", cause="the first byte is 9")
    assert (letter.topic, letter.partition, letter.key, letter.value) == (QUEUE.dead_letters, 7, key, value)
    assert letter.headers == [
        *headers,
        ("mabos-error-code", b"bad_magic"),
        ("mabos-error", b"the first byte is 9"),
        ("mabos-origin", b"mabos.tasks.requests:7:42"),
    ]


def test_a_tasks_dead_letter_tells_its_name_and_attempts() -> None:
    """A person finds the task by it, and sees how often it was tried."""
    job = make_job(partition=7, offset=42)
    job.attempt = 3
    letter = make_answers().bury(job, TaskError(code="handler_failed", message="no"))
    assert (letter.key, letter.value) == (job.key, job.value)
    assert letter.headers is not None
    assert letter.headers[0] == ("traceparent", b"00-1")
    assert dict(letter.headers)["mabos-task-id"] == b"t-7-42"
    assert dict(letter.headers)["mabos-attempts"] == b"3"


def test_a_letter_that_is_too_large_keeps_cause_and_origin() -> None:
    """The record itself can still be read at its origin."""
    headers = [("big", b"x" * 1000), *[("mabos-error", b"of an earlier life")] * 3]
    letter = make_answers().bury_raw(PLACE, b"k", b"v" * 5000, headers, code="bad_magic", cause="why")
    small = shrink_letter(letter)
    assert (small.topic, small.partition, small.key, small.value) == (QUEUE.dead_letters, 7, b"k", None)
    assert small.headers is not None
    found = dict(small.headers)
    assert "big" not in found
    assert (found["mabos-error-code"], found["mabos-error"]) == (b"bad_magic", b"why")
    assert found["mabos-origin"] == b"mabos.tasks.requests:7:42"
    assert b"5000 bytes" in (found["mabos-left-out"] or b"")  # type: ignore[operator]  # bytes here
    assert shrink_letter(letter._replace(key=b"k" * 100_000)).key is None


@pytest.mark.parametrize(("text", "short"), [("", ""), ("a" * 2000, "a" * 2000), ("a" * 2001, "a" * 1997 + "...")])
def test_long_messages_are_cut(text: str, short: str) -> None:
    """A traceback of a megabyte does not travel with each response."""
    assert shorten(text) == short


@given(st.text(st.characters(exclude_categories=())))
@example("\ud800")
def test_any_message_can_be_encoded(text: str) -> None:
    """Also one with a lone surrogate in it, which Avro could not write."""
    job = make_job()
    make_answers().respond(job, Status.FAILED, error=TaskError(code="c", message=shorten(text)))
    shorten(text).encode()

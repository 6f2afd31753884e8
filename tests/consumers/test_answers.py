"""What a worker writes: responses, and dead letters."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mabos.consumers.answers import MARK_HEADER, shrink_letter
from mabos.consumers.jobs import Headers, Job
from mabos.consumers.verdicts import Answered, shorten
from mabos.schemas.events import Status, TaskError
from tests.support.jobs import QUEUE, RESPONSES, make_answers, make_job, make_raw_message, make_tenure


def raw_job(key: bytes | None, value: bytes | None, headers: Headers) -> Job:
    """A job that was never decoded."""
    return Job(make_raw_message(key, value, headers, offset=42, partition=7), make_tenure(7))


def test_a_response_goes_where_its_request_stands() -> None:
    """Same partition, the agent's key, and the request's names."""
    job = make_job("agent é", partition=7, offset=42)
    job.attempt = 2
    error = TaskError(code="handler_failed", message="no")
    record = make_answers().respond(job, Answered(Status.FAILED, '{"a":1}', error, 5))
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
    headers=st.lists(
        st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), st.binary()), max_size=4
    ),
)
def test_a_dead_letter_keeps_the_raw_record(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    """Key, value and headers are byte for byte what was read; cause and origin stand behind them."""
    letter = make_answers().bury(raw_job(key, value, tuple(headers)), "bad_magic", "the first byte is 9")
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
    letter = make_answers().bury(job, "handler_failed", "no")
    assert (letter.key, letter.value) == (job.key, job.value)
    assert letter.headers is not None
    assert letter.headers[0] == ("traceparent", b"00-1")
    assert dict(letter.headers)["mabos-task-id"] == b"t-7-42"
    assert dict(letter.headers)["mabos-attempts"] == b"3"


def test_a_dead_letter_tells_where_its_handler_raised() -> None:
    """One that is too large for its record, too."""
    letter = make_answers().bury(make_job(), "handler_failed", "no", "Traceback ...\n")
    assert dict(letter.headers or ())["mabos-stack"] == b"Traceback ...\n"
    assert dict(shrink_letter(letter).headers or ())["mabos-stack"] == b"Traceback ...\n"


def test_a_letter_that_is_too_large_keeps_cause_and_origin() -> None:
    """The record itself can still be read at its origin."""
    headers = (("big", b"x" * 1000), *[("mabos-error", b"of an earlier life")] * 3)
    letter = make_answers().bury(raw_job(b"k", b"v" * 5000, headers), "bad_magic", "why")
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
    make_answers().respond(job, Answered(Status.FAILED, error=TaskError(code="c", message=shorten(text))))
    shorten(text).encode()


def test_a_mark_tells_that_a_suspect_begins() -> None:
    """It is no outcome, and says how many workers went down before."""
    job = make_job(partition=7, offset=42)
    job.deaths = 2
    record = make_answers().mark(job)
    assert (record.topic, record.partition, record.key) == (QUEUE.responses, 7, b"a")
    assert record.headers == [(MARK_HEADER, b"2")]
    response = RESPONSES.decode(record.value)
    assert (response.task_id, response.status) == ("t-7-42", Status.IN_PROGRESS)


def test_progress_is_a_response_that_ends_nothing() -> None:
    """Under the agent's key, with what the handler told as its result."""
    record = make_answers().report_progress(make_job(partition=7), '{"percent":50}')
    response = RESPONSES.decode(record.value)
    assert (record.partition, response.status, response.result) == (7, Status.IN_PROGRESS, {"percent": 50})


def test_a_response_that_is_too_large_becomes_a_failure() -> None:
    """The caller hears that the result could not be sent."""
    job, answers = make_job(), make_answers()
    smaller = answers.shrink(job, answers.respond(job, Answered(Status.COMPLETED, '{"x":"' + "y" * 1000 + '"}')))
    assert smaller is not None
    response = RESPONSES.decode(smaller.value)
    assert response.error is not None
    assert (response.status, response.error.code) == (Status.FAILED, "bad_result")


def test_what_cannot_be_smaller_is_not_shrunk() -> None:
    """Else it would be sent for ever."""
    job, answers = make_job(), make_answers()
    assert answers.shrink(job, answers.respond(job, Answered(Status.COMPLETED))) is None
    letter = answers.bury(job, "c", "cause")
    smaller = answers.shrink(job, letter)
    assert smaller is not None
    assert answers.shrink(job, smaller) is None

"""Tasks as people write them: what is refused is named, so that they can mend it."""

from __future__ import annotations

import codecs
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mabos.cli.task_lines import TaskArguments, read_lines, read_task, read_time
from mabos.schemas.errors import InvalidTask

GOOD: dict[str, Any] = {"agent_id": "a", "payload": {"action": "echo"}}


def read(**fields: Any) -> TaskArguments:
    return read_task(json.dumps(GOOD | fields))


def test_a_whole_task_is_read() -> None:
    """Every field arrives as ``send_task_request`` takes it."""
    task = read(task_id="t", type="TaskRequest", deadline="2030-01-31T12:00:00+01:00", headers={"traceparent": "00-1"})
    assert task == TaskArguments(
        task_id="t",
        agent_id="a",
        payload={"action": "echo"},
        deadline=datetime(2030, 1, 31, 12, tzinfo=timezone(timedelta(hours=1))),
        headers={"traceparent": "00-1"},
    )


def test_what_is_not_given_is_none() -> None:
    """Only agent_id and payload are needed; null is as good as missing."""
    for task in (read(), read(task_id=None, deadline=None, headers=None)):
        assert (task["task_id"], task["deadline"], task["headers"]) == (None, None, None)


@pytest.mark.parametrize(
    ("text", "field", "reason"),
    [
        ("", "task", "is not JSON"),
        ("{", "task", "is not JSON"),
        ("[]", "task", "must be a JSON object, not an array"),
        ("7", "task", "must be a JSON object, not a number"),
        ('"a"', "task", "must be a JSON object, not a string"),
        ("null", "task", "must be a JSON object, not null"),
        (b"\xff{}", "task", "is not UTF-8"),
        ('{"agent_id": "a", "agent_id": "b", "payload": {}}', "task", '"agent_id" stands twice'),
        ('{"agent_id": "a", "payload": {"n": NaN}}', "task", "NaN is not a JSON number"),
        ("{}", "agent_id", "is missing"),
        ('{"agent_id": "a"}', "payload", "is missing"),
        ('{"payload": {}}', "agent_id", "is missing"),
    ],
)
def test_what_is_no_task_is_refused(text: str | bytes, field: str, reason: str) -> None:
    """The error names the field, or says that it is no task at all."""
    with pytest.raises(InvalidTask) as caught:
        read_task(text)
    assert caught.value.field == field
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"type": "TaskResponse"}, "type", 'must be "TaskRequest"'),
        ({"deadline": "tomorrow"}, "deadline", "must be a time such as"),
        ({"deadline": 17}, "deadline", "must be a time such as"),
        ({"deadline": ""}, "deadline", "must be a time such as"),
        ({"deadline": "2030-01-31T12:00:00"}, "deadline", "has no time zone"),
        ({"headers": ["a"]}, "headers", "must be an object of strings"),
        ({"headers": {"n": 1}}, "headers.n", "must be a string"),
    ],
)
def test_a_bad_field_is_named(fields: dict[str, Any], field: str, reason: str) -> None:
    """Each field that can be wrong by itself says what it should have been."""
    with pytest.raises(InvalidTask) as caught:
        read(**fields)
    assert caught.value.field == field
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("name", "meant"),
    [("agentid", "agent_id"), ("taskid", "task_id"), ("paylod", "payload"), ("dead_line", "deadline")],
)
def test_a_misspelt_field_gets_a_suggestion(name: str, meant: str) -> None:
    """An unknown field is refused, not passed over, and the one that was meant is named."""
    with pytest.raises(InvalidTask, match=f"^{name}: is no field of a task, did you mean {meant}\\?$"):
        read(**{name: "x"})


def test_a_strange_field_gets_no_suggestion() -> None:
    """Nothing is guessed where nothing is near."""
    with pytest.raises(InvalidTask, match=r"^zzz: is no field of a task$"):
        read(zzz=1)


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=-30))])))
def test_times_are_read_back(moment: datetime) -> None:
    """What RFC 3339 writes is read to the microsecond."""
    assert read_time("deadline", moment.isoformat()) == moment


def test_z_is_utc() -> None:
    """The short form that most people write."""
    assert read_time("deadline", "2030-01-31T12:00:00Z") == datetime(2030, 1, 31, 12, tzinfo=UTC)


def test_lines_are_numbered_as_an_editor_does() -> None:
    """Empty lines count, and are no tasks; bad ones come with their number and error; line ends do not matter."""
    good = json.dumps(GOOD).encode()
    text = codecs.BOM_UTF8 + good + b"\r\n\r\n  \nnonsense\n" + good
    lines = list(read_lines(text.splitlines(keepends=True)))
    assert [line.number for line in lines] == [1, 4, 5]
    assert [line.task is None for line in lines] == [False, True, False]
    assert str(lines[1].error) == "task: is not JSON: Expecting value at column 1"


def test_lines_are_read_one_at_a_time() -> None:
    """A pipe that never ends is read as it comes."""

    def pipe() -> Any:
        yield json.dumps(GOOD).encode()
        raise AssertionError("read ahead")

    assert next(read_lines(pipe())).number == 1


@given(st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line), max_size=10))
def test_no_line_breaks_the_reading(lines: list[bytes]) -> None:
    """Whatever a file holds, each line is a task, an error, or empty."""
    for line in read_lines(lines):
        assert (line.task is None) != (line.error is None)

"""``mabos tasks``: what was said stands in the controls, and the command tells so."""

from __future__ import annotations

import json

import pytest

from mabos.kafka.clients import open_registry
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas import CONTROL, Codec, TaskControl, Verb
from tests.cli.command import InProcess, Mabos, Typed
from tests.support.road import read_topic


@pytest.fixture
def typed(mabos: Mabos, in_process: InProcess) -> Typed:
    """The command, in this process."""
    return in_process(mabos)


def said(settings: Settings) -> dict[str, TaskControl]:
    """What the controls topic holds, by position."""
    topic = Queue(name=settings.queue).controls
    codec = Codec.for_topic(CONTROL, topic, open_registry(settings))
    return {
        f"{topic}:{record.partition}:{record.offset}": codec.decode(record.value)
        for record in read_topic(settings, topic)
    }


def test_a_cancel_is_told_in_a_line(typed: Typed, settings: Settings) -> None:
    """Which task, where the cancel stands, and that an answer would stay."""
    done = typed("tasks", "cancel", "report-7", "--agent", "support-01")
    ((position, control),) = said(settings).items()
    assert control == TaskControl(task_id="report-7", agent_id="support-01", verb=Verb.CANCEL)
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        f"the cancel of task report-7 of agent support-01 is stored at {position}; "
        "if the task is answered already, its answer stays\n"
    )


def test_a_program_gets_the_fields(typed: Typed, settings: Settings) -> None:
    """As JSON, the reason among them."""
    done = typed("tasks", "cancel", "report-7", "-a", "агент", "--reason", "asked twice", "-o", "json")
    ((position, control),) = said(settings).items()
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == {
        "task_id": "report-7",
        "agent_id": "агент",
        "reason": "asked twice",
        "position": position,
    }
    assert control.reason == "asked twice"


def test_what_is_no_task_is_refused(typed: Typed, settings: Settings) -> None:
    """In one line that names the field, with exit code 2; nothing is stored."""
    for arguments, problem in {
        ("", "--agent", "a"): "task_id: must not be empty",
        ("t", "--agent", "a\n"): "agent_id: must not hold control characters or lone surrogates",
        ("t", "--agent", "a", "--reason", "x" * 1001): "reason: takes 1001 bytes, at most 1000 are allowed",
    }.items():
        done = typed("tasks", "cancel", *arguments)
        assert (done.code, done.out, done.error) == (2, "", problem)
    assert said(settings) == {}

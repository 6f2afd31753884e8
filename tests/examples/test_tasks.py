"""The 400 tasks."""

import json
from collections import Counter
from typing import Any

import pytest

from examples.make_tasks import LOAD, SPOILED_EVERY, SPOILED_FIRST, TASKS_FILE, render_tasks

ACTIONS = {"summarize", "extract_keywords", "word_count", "describe_csv", "redact", "test", "echo"}


@pytest.fixture(scope="module")
def tasks() -> list[dict[str, Any]]:
    return [json.loads(line) for line in TASKS_FILE.read_text(encoding="utf-8").splitlines()]


def test_the_file_is_what_the_program_writes() -> None:
    """Whoever edits the material runs ``python examples/make_tasks.py``."""
    assert TASKS_FILE.read_bytes() == render_tasks().encode()
    assert TASKS_FILE.stat().st_size < 600_000


def test_every_line_is_a_task_that_may_be_sent(tasks: list[dict[str, Any]]) -> None:
    """Ids are unique and short, payloads are objects: each task gets a response, if only a refusal."""
    assert len(tasks) == 400
    assert len({task["task_id"] for task in tasks}) == 400
    for task in tasks:
        assert set(task) == {"task_id", "agent_id", "payload"}
        assert isinstance(task["payload"], dict)
        assert isinstance(task["payload"]["action"], str)
        assert all(0 < len(task[key].encode()) <= 255 for key in ("task_id", "agent_id"))


def test_the_load_is_uneven(tasks: list[dict[str, Any]]) -> None:
    """One agent is hot: it gets 60 tasks, more than twice as many as the next."""
    loads = Counter(task["agent_id"] for task in tasks)
    assert loads == LOAD
    (hottest, most), (_, second) = loads.most_common(2)
    assert (hottest, most) == ("support-07", 60)
    assert most > 2 * second


def test_every_action_is_asked_for(tasks: list[dict[str, Any]]) -> None:
    """And one line in twelve asks for what must be refused."""
    sound = [task for line, task in enumerate(tasks) if line % SPOILED_EVERY != SPOILED_FIRST]
    assert {task["payload"]["action"] for task in sound} == ACTIONS
    assert len(tasks) - len(sound) == 33
    assert sum(task["payload"]["action"] not in ACTIONS for task in tasks) >= 5


def test_the_texts_are_in_several_languages(tasks: list[dict[str, Any]]) -> None:
    texts = "".join(task["payload"]["text"] for task in tasks if isinstance(task["payload"].get("text"), str))
    assert all(sample in texts for sample in ("Nashorn", "銭湯", "night ferry", "🌉"))

"""The example agents, handler by handler, without a broker."""

import asyncio
import inspect
import json
from typing import Any

import pytest

from examples.agents import agents
from examples.make_tasks import SPOILED_EVERY, SPOILED_FIRST, make_tasks
from mabos.consumers import Reject, Task
from tests.support.jobs import NoSurroundings, make_job

TASKS = make_tasks()


def perform(payload: dict[str, Any], agent_id: str = "desk-01") -> dict[str, Any]:
    """Do what a worker does with a task: find the handler, make its argument, call it."""
    task = Task(make_job(agent_id, payload), payload, NoSurroundings())
    handler = agents.find_handler(payload.get("action"))
    if handler is None:
        raise Reject("no handler", field="payload.action")
    result: Any = handler.function(handler.argument(task))
    if inspect.isawaitable(result):
        result = asyncio.run(_wait(result))
    return json.loads(json.dumps(result))  # type: ignore[no-any-return]  # json.loads is Any


async def _wait(awaitable: Any) -> Any:
    return await awaitable


def test_the_task_of_the_plan_is_completed() -> None:
    """The first task anybody sends has the answer the plan promised."""
    assert perform({"action": "test"}) == {"message": "Task completed successfully"}


def test_no_handler_takes_all_the_rest() -> None:
    """A misspelt action must come back rejected, not half understood."""
    assert None not in [handler.action for handler in agents.handlers]


@pytest.mark.parametrize("line", [line for line in range(len(TASKS)) if line % SPOILED_EVERY == SPOILED_FIRST])
def test_a_spoiled_task_is_rejected_with_the_field(line: int) -> None:
    """Its sender learns which field to mend."""
    with pytest.raises(Reject) as caught:
        perform(TASKS[line]["payload"])
    assert (caught.value.field or "").startswith("payload.")


def test_every_other_task_is_done_the_same_way_twice() -> None:
    """367 tasks have a result that JSON can carry and that a replay will find again."""
    sound = [task for line, task in enumerate(TASKS) if line % SPOILED_EVERY != SPOILED_FIRST]
    assert len(sound) == 367
    for task in sound:
        first = perform(task["payload"], task["agent_id"])
        assert first
        assert first == perform(task["payload"], task["agent_id"])


@pytest.mark.parametrize(
    ("payload", "result"),
    [
        ({"action": "echo", "a": [1]}, {"message": "Task completed successfully", "echo": {"a": [1]}}),
        ({"action": "redact", "text": "to a@example.org"}, {"text": "to [email]", "found": {"email": 1}}),
        ({"action": "summarize", "text": "One. Two."}, {"summary": "One. Two.", "sentences": ["One.", "Two."]}),
        (
            {"action": "extract_keywords", "text": "Rain!"},
            {"keywords": [{"phrase": "Rain", "occurrences": 1, "score": 1.0}]},
        ),
    ],
)
def test_an_action_gives_its_result(payload: dict[str, Any], result: dict[str, Any]) -> None:
    assert perform(payload) == result


def test_the_agent_that_counted_signs_its_answer() -> None:
    """A handler that takes the task knows whose it is."""
    result = perform({"action": "word_count", "text": "Rain and rain."}, agent_id="lab-07")
    assert (result["words"], result["frequent"]) == (3, [{"word": "rain", "occurrences": 2}])
    assert result["agent_id"] == "lab-07"


def test_a_table_is_described_by_columns() -> None:
    """Figures that a column has not are left out."""
    result = perform({"action": "describe_csv", "csv": "a,b\n1,x\n3,x\n"})
    number, text = result["columns"]
    assert (result["rows"], number["mean"], number["top"]) == (2, 2.0, [])
    assert "mean" not in text
    assert text["top"] == [{"value": "x", "occurrences": 2}]

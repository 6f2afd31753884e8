"""``POST /api/tasks/{task_id}/cancel``."""

from __future__ import annotations

from typing import Any

import pytest

from mabos.producers import PublishFailed
from tests.gateway.fakes import Door
from tests.gateway.shape import fields_of, read_problem


@pytest.mark.parametrize(
    ("path", "task_id"), [("t", "t"), ("a%2Fb", "a/b"), ("x/cancel", "x/cancel"), ("%F0%9F%9A%80%20%3F", "🚀 ?")]
)
def test_a_cancel_is_published(path: str, task_id: str) -> None:
    """For the task in the path, whatever its name, and the agent in the body."""
    door = Door()
    answer = door.ask("POST", f"/api/tasks/{path}/cancel", json={"agent_id": "a", "reason": "asked twice"})
    assert answer.status_code == 202
    assert answer.json() == {"message": "Cancel sent", "task_id": task_id, "position": "mabos.tasks.controls:7:0"}
    (sent,) = door.producer.sent
    assert (sent.task_id, sent.agent_id, sent.payload) == (task_id, "a", {"reason": "asked twice"})


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("t", {}, "agent_id"),
        ("t", {"agent_id": ""}, "agent_id"),
        ("t", {"agent_id": "a", "reason": 7}, "reason"),
        ("t", {"agent_id": "a", "reason": "x" * 1001}, "reason"),
        ("t", {"agent_id": "a", "why": ""}, "why"),
        ("%7F", {"agent_id": "a"}, "task_id"),
        ("x" * 256, {"agent_id": "a"}, "task_id"),
    ],
)
def test_what_cannot_be_is_named(path: str, body: dict[str, Any], field: str) -> None:
    """422, and nothing is published."""
    door = Door()
    assert fields_of(read_problem(door.ask("POST", f"/api/tasks/{path}/cancel", json=body), 422)) == [field]
    assert door.producer.sent == []


def test_a_cancel_that_fails_says_what_is_known() -> None:
    """503, with the task's name."""
    door = Door()
    door.producer.fail_with = PublishFailed("no broker", may_be_stored=True)
    problem = read_problem(door.ask("POST", "/api/tasks/t/cancel", json={"agent_id": "a"}), 503)
    assert problem["task_id"] == "t"
    assert "may be stored" in problem["detail"]

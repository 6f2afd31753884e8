"""What every user of the Locust files does: post a task, and look at the answer."""

from __future__ import annotations

from typing import Any

RATE_PER_USER = 10
"""How many tasks a second one user posts, as long as the gateway keeps up."""


def post_task(client: Any, name: str, agent_id: str, payload: dict[str, Any], wait_s: int = 0) -> None:  # noqa: ANN401
    """Post a task; anything but what was asked for is an error.

    Args:
        client: Locust's.
        name: Under which it is counted.
        agent_id: Whose task.
        payload: Its payload.
        wait_s: How long to wait for the outcome at most; 0 for its acceptance only.
    """
    wanted = 200 if wait_s else 202
    headers = {"prefer": f"wait={wait_s}"} if wait_s else {}
    body = {"agent_id": agent_id, "payload": payload}
    with client.post("/api/tasks", json=body, headers=headers, name=name, catch_response=True) as response:
        if response.status_code != wanted:
            response.failure(f"{response.status_code} instead of {wanted}")

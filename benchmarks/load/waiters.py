"""Many waiters: each user always waits for the outcome of a task that takes a second."""

from __future__ import annotations

import itertools

from locust import FastHttpUser, constant, task

from benchmarks.load.posting import post_task

HANDLER_S = 1.0
_WAIT_S = 30
_NUMBERS = itertools.count()


class Waiter(FastHttpUser):
    """Asks an agent of its own, and waits."""

    wait_time = constant(0)

    def on_start(self) -> None:
        """Find the agent."""
        self.agent_id = f"waiter-{next(_NUMBERS)}"

    @task
    def call(self) -> None:
        """A task that takes a second."""
        post_task(self.client, "outcome", self.agent_id, {"action": "wait", "pause_s": HANDLER_S}, _WAIT_S)

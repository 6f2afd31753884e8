"""Steady: tasks for a thousand agents; each user posts ten a second, as long as the gateway keeps up."""

from __future__ import annotations

import itertools

from locust import FastHttpUser, constant_throughput, task

from benchmarks.load.posting import RATE_PER_USER, post_task
from benchmarks.tasks import make_task

_NUMBERS = itertools.count()


class SteadyUser(FastHttpUser):
    """Posts at a steady pace."""

    wait_time = constant_throughput(RATE_PER_USER)

    @task
    def publish(self) -> None:
        """A task that is not waited for."""
        _, agent_id, payload = make_task(next(_NUMBERS))
        post_task(self.client, "accepted", agent_id, payload)

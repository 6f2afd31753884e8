"""One hot agent: nine of ten tasks are for the same agent; the others are waited for, and must not feel it."""

from __future__ import annotations

import itertools

from locust import FastHttpUser, constant_throughput, task

from benchmarks.load.posting import RATE_PER_USER, post_task
from benchmarks.tasks import make_task

_WAIT_S = 30
_NUMBERS = itertools.count()


class HotUser(FastHttpUser):
    """Asks the hot agent, and does not wait."""

    weight = 9
    wait_time = constant_throughput(RATE_PER_USER)

    @task
    def publish(self) -> None:
        """A task for the one agent."""
        post_task(self.client, "the hot agent's, accepted", "hot-agent", make_task(next(_NUMBERS))[2])


class OtherUser(FastHttpUser):
    """Asks another agent each time, and waits for the outcome."""

    weight = 1
    wait_time = constant_throughput(RATE_PER_USER)

    @task
    def call(self) -> None:
        """A task for one of a thousand agents."""
        _, agent_id, payload = make_task(next(_NUMBERS))
        post_task(self.client, "others', with outcome", agent_id, payload, _WAIT_S)

"""Burst: a low pace, then many times as much for some seconds, then the low pace again; counted by phase."""

from __future__ import annotations

import itertools
import os

from locust import FastHttpUser, LoadTestShape, constant_throughput, task

from benchmarks.load.posting import RATE_PER_USER, post_task
from benchmarks.tasks import make_task

PHASE_S = float(os.environ.get("BURST_PHASE_S", "8"))
LOW_USERS, BURST_USERS = 10, int(os.environ.get("BURST_USERS", "200"))
_PHASES = (("before", LOW_USERS), ("burst", BURST_USERS), ("after", LOW_USERS))
_NUMBERS = itertools.count()


class BurstShape(LoadTestShape):
    """How many users there are, and in which phase they are."""

    phase = "before"

    def tick(self) -> tuple[int, float] | None:
        """Users, and how many of them may come or go a second; None at the end."""
        number = int(self.get_run_time() / PHASE_S)
        if number >= len(_PHASES):
            return None
        BurstShape.phase, users = _PHASES[number]
        return users, BURST_USERS


class BurstUser(FastHttpUser):
    """Posts at a steady pace; the others make the burst."""

    wait_time = constant_throughput(RATE_PER_USER)

    @task
    def publish(self) -> None:
        """A task that is not waited for."""
        _, agent_id, payload = make_task(next(_NUMBERS))
        post_task(self.client, BurstShape.phase, agent_id, payload)

"""The tasks of a measurement. Runs in every contender that publishes, so it imports nothing of the project."""

from __future__ import annotations

import string
from typing import Any

AGENTS = 1000

_TEXT = (string.ascii_letters * 4)[:130]


def make_task(number: int) -> tuple[str, str, dict[str, Any]]:
    """The id, agent and payload of a task; the payload is about 200 bytes of JSON."""
    payload = {"action": "measure", "number": number, "text": _TEXT, "tags": ["alpha", "beta"], "urgent": False}
    return f"task-{number:08d}", f"agent-{number * 7919 % AGENTS:04d}", payload

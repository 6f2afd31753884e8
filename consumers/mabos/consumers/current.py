"""Which task the running code works for: set by who calls a handler, read when a log line is written.

So whatever a handler logs, with structlog or the standard library, names its task; and a task that logs nothing costs
no more than setting a context variable.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any

from mabos.consumers.task import Task

current_task: ContextVar[Task | None] = ContextVar("current_task", default=None)
"""The task whose handler runs in this context; None outside of handlers."""


def add_current_task(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: name the task at hand on each line that does not name one itself."""
    task = current_task.get()
    if task is not None and "task_id" not in event:
        event["task_id"] = task.task_id
        event["agent_id"] = task.agent_id
        event["position"] = str(task.position)
        event["attempt"] = task.attempt
    return event

"""Who answers, and who reads: agents and their worker, the response feed, and calls that wait for an outcome."""

from mabos.consumers.agents import AgentGroup
from mabos.consumers.client import AsyncTaskClient, TaskClient
from mabos.consumers.controls import ControlFeed
from mabos.consumers.errors import CallTimeout, FeedStopped, InvalidHandler, Reject, TaskCancelled, WorkerFailed
from mabos.consumers.limits import WorkerLimits
from mabos.consumers.responses import ResponseFeed
from mabos.consumers.retry import RetryPolicy
from mabos.consumers.task import Task
from mabos.consumers.worker import Worker

__all__ = [
    "AgentGroup",
    "AsyncTaskClient",
    "CallTimeout",
    "ControlFeed",
    "FeedStopped",
    "InvalidHandler",
    "Reject",
    "ResponseFeed",
    "RetryPolicy",
    "Task",
    "TaskCancelled",
    "TaskClient",
    "Worker",
    "WorkerFailed",
    "WorkerLimits",
]

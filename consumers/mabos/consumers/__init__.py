"""Who answers, and who reads: agents and their worker, the response feed, and calls that wait for an outcome."""

from mabos.consumers.agents import AgentGroup
from mabos.consumers.asking import Question
from mabos.consumers.client import AsyncTaskClient, TaskClient
from mabos.consumers.controls import ControlFeed
from mabos.consumers.errors import (
    AskRefused,
    BeyondRetention,
    CallTimeout,
    FeedStopped,
    InvalidHandler,
    Reject,
    TaskCancelled,
    WorkerFailed,
)
from mabos.consumers.limits import WorkerLimits
from mabos.consumers.recall import Recall
from mabos.consumers.responses import ResponseFeed
from mabos.consumers.retry import RetryPolicy
from mabos.consumers.task import Task
from mabos.consumers.worker import Worker

__all__ = [
    "AgentGroup",
    "AskRefused",
    "AsyncTaskClient",
    "BeyondRetention",
    "CallTimeout",
    "ControlFeed",
    "FeedStopped",
    "InvalidHandler",
    "Question",
    "Recall",
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

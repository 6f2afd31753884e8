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
    InvalidReplay,
    InvalidSelection,
    NotVerifiable,
    Reject,
    TaskCancelled,
    WorkerFailed,
)
from mabos.consumers.history import History, find_reach
from mabos.consumers.inspection import Inspected, Inspection
from mabos.consumers.limits import WorkerLimits
from mabos.consumers.past import PastTask
from mabos.consumers.plans import Plans, ReplayPlan
from mabos.consumers.recall import Recall
from mabos.consumers.replays import Progress, Replay
from mabos.consumers.reprocessing import Reprocessed, Reprocessing
from mabos.consumers.responses import ResponseFeed
from mabos.consumers.retry import RetryPolicy
from mabos.consumers.selection import Reach, Selection
from mabos.consumers.task import Task
from mabos.consumers.verification import Verification, Verified, VerifyLimits
from mabos.consumers.worker import Worker

__all__ = [
    "AgentGroup",
    "AskRefused",
    "AsyncTaskClient",
    "BeyondRetention",
    "CallTimeout",
    "ControlFeed",
    "FeedStopped",
    "History",
    "Inspected",
    "Inspection",
    "InvalidHandler",
    "InvalidReplay",
    "InvalidSelection",
    "NotVerifiable",
    "PastTask",
    "Plans",
    "Progress",
    "Question",
    "Reach",
    "Recall",
    "Reject",
    "Replay",
    "ReplayPlan",
    "Reprocessed",
    "Reprocessing",
    "ResponseFeed",
    "RetryPolicy",
    "Selection",
    "Task",
    "TaskCancelled",
    "TaskClient",
    "Verification",
    "Verified",
    "VerifyLimits",
    "Worker",
    "WorkerFailed",
    "WorkerLimits",
    "find_reach",
]

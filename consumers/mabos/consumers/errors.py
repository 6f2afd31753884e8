"""What can go wrong in this room.

::

    MabosError
    ├── InvalidHandler   a handler's parameters or action cannot work
    ├── Reject           raised by a handler: the task is the caller's fault
    ├── TaskCancelled    raised in a handler: somebody wants the task cancelled
    ├── WorkerFailed     the worker met an error that only a restart can cure
    ├── MonitorFailed    the monitor cannot listen on the address that was asked for
    ├── CallTimeout      no outcome came within the time to wait; the task goes on
    ├── AskRefused       a handler asks an agent that could never answer it
    ├── InvalidSelection what a replay shall take could never be found
    ├── InvalidReplay    a replay cannot go on: nothing is known of it, or it belongs to another queue
    ├── NotVerifiable    a handler wants to reach other agents while a recorded task is verified
    ├── FeedStopped      the response feed was stopped, or broke, while somebody waited
    └── BeyondRetention  the log does not go back as far as somebody wants to read
"""

from __future__ import annotations

from mabos.kafka.position import Position
from mabos.schemas.errors import MabosError


class InvalidHandler(MabosError, TypeError):
    """A handler's parameters or action cannot work."""


class Reject(MabosError):
    """Raise it in a handler to answer ``rejected``: the task asks for what cannot be done, and no retry will help.

    Args:
        reason: What is wrong, for the caller.
        field: The field at fault, such as ``payload.text``.
    """

    def __init__(self, reason: str, *, field: str | None = None) -> None:
        super().__init__(reason if field is None else f"{field}: {reason}")
        self.reason = reason
        self.field = field


class TaskCancelled(MabosError):
    """Somebody wants the task cancelled that a plain handler has in hand."""

    def __init__(self) -> None:
        super().__init__("the task was cancelled")


class WorkerFailed(MabosError):
    """The worker met an error that only a restart can cure; it committed only what was finished."""


class MonitorFailed(MabosError):
    """The monitor cannot listen on the address that was asked for; see also :class:`mabos.kafka.errors.PortTaken`."""


class CallTimeout(MabosError, TimeoutError):
    """No outcome came within the time to wait. The task goes on; its response will stand on the log.

    Attributes:
        task_id: The task.
        is_sent: False when the time was over before the task could be sent: there is none that goes on.
    """

    def __init__(self, task_id: str, timeout_s: float, *, is_sent: bool = True) -> None:
        had = f"task {task_id} had no outcome within {timeout_s:g} s: it goes on, is a worker running?"
        super().__init__(had if is_sent else f"task {task_id} could not be sent within {timeout_s:g} s")
        self.task_id = task_id
        self.is_sent = is_sent


class AskRefused(MabosError):
    """A handler asks an agent that could never answer it: it waits for the asker, or too many wait already.

    Attributes:
        agent_id: The agent that was to be asked.
        reason: Why it cannot be, lower case.
    """

    def __init__(self, agent_id: str, reason: str) -> None:
        super().__init__(f"agent {agent_id} cannot be asked: {reason}")
        self.agent_id = agent_id
        self.reason = reason


class InvalidSelection(MabosError, ValueError):
    """What a replay shall take could never be found: an id that is none, a partition that is not there."""


class InvalidReplay(MabosError):
    """A replay cannot go on: nothing is known of it, or it belongs to another queue."""


class NotVerifiable(MabosError):
    """A handler wants to ask an agent or send a task while a recorded task is verified, which sends nothing."""


class FeedStopped(MabosError):
    """The response feed was stopped, or broke, while somebody waited."""


class BeyondRetention(MabosError):
    """The log does not go back as far as somebody wants to read: what stood there was deleted, as retention has it.

    Attributes:
        position: What was asked for.
        oldest: The oldest offset that its partition still has.
    """

    def __init__(self, position: Position, oldest: int) -> None:
        super().__init__(f"{position} is no longer in the log, which begins at offset {oldest} there")
        self.position = position
        self.oldest = oldest

"""What shall be done with a job: values that the triage and the attempts return, and the engine carries out."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import NamedTuple

from mabos.consumers.handlers import Handler
from mabos.consumers.task import Task
from mabos.schemas.events import Status, TaskError


@dataclass(slots=True)  # quicker to make than a named tuple, and one is made for each task
class Run:
    """Run its handler."""

    handler: Handler
    """Which one."""
    task: Task
    """What it gets."""
    left_s: float | None
    """Seconds until the deadline; None if there is none."""


@dataclass(slots=True)
class Answered:
    """The task ends here."""

    status: Status
    """Its outcome."""
    result_json: str = "{}"
    """What the handler returned."""
    error: TaskError | None = None
    """Why it did not complete."""
    started_at_ms: int | None = None
    """When the attempt began; None when the handler did not run."""
    is_dead: bool = False
    """Whether the task belongs among the dead letters, too."""


@dataclass(slots=True)
class Raised(Answered):
    """The task ends here, since its handler raised."""

    stack: str = ""
    """Where it did, as Python prints it, without the values of variables."""


class TryAgain(NamedTuple):
    """Not yet: its lane waits, and it is looked at again."""

    after_s: float
    """How long to wait."""
    cause: str
    """Why, for the log."""
    is_failure: bool = True
    """Whether an attempt failed; if not, none was made."""


class Awaiting(NamedTuple):
    """A plain handler returned something that must be awaited."""

    run: Run
    """The attempt."""
    found: Awaitable[object]
    """What it returned."""
    started_at_ms: int
    """When the attempt began."""


class Skip(NamedTuple):
    """It has its outcome."""

    response_offset: int | None
    """Where that stands; None if it was written lately."""


class Mark(NamedTuple):
    """It may have killed a worker: that it begins must stand on the log before it does."""

    first_offset: int | None = None
    """Where its first mark stands; None if this is the first."""


class Bury(NamedTuple):
    """It is no task: a dead letter, and no response."""

    code: str
    """The kind of fault."""
    cause: str
    """What is wrong with it."""


Verdict = Run | Answered | TryAgain | Awaiting | Skip | Mark | Bury


def reject(code: str, message: str, *, started_at_ms: int | None = None) -> Answered:
    """The task asks for what cannot be done."""
    error = TaskError(code=code, message=shorten(message))
    return Answered(Status.REJECTED, error=error, started_at_ms=started_at_ms)


def fail(code: str, message: str, started_at_ms: int | None) -> Answered:
    """The task could not be done, and may be asked again."""
    error = TaskError(code=code, message=shorten(message), retryable=True)
    return Answered(Status.FAILED, error=error, started_at_ms=started_at_ms, is_dead=True)


def fail_by(error: BaseException, message: str, started_at_ms: int | None) -> Raised:
    """The task could not be done, for its handler raised."""
    found = fail("handler_failed", message, started_at_ms)
    return Raised(found.status, error=found.error, started_at_ms=started_at_ms, is_dead=True, stack=show_stack(error))


def cancel(reason: str, started_at_ms: int | None = None) -> Answered:
    """Somebody wanted it cancelled."""
    error = TaskError(code="cancelled", message=shorten(reason or "it was cancelled"))
    return Answered(Status.CANCELLED, error=error, started_at_ms=started_at_ms)


_MAX_MESSAGE_CHARS = 2000
_MAX_STACK_BYTES = 8192
_MAX_FRAMES = 200


def shorten(text: str) -> str:
    """A message that fits into a response, whatever an exception had to say."""
    if len(text) > _MAX_MESSAGE_CHARS:
        text = text[: _MAX_MESSAGE_CHARS - 3] + "..."
    return text.encode("utf-8", "replace").decode()  # a lone surrogate would not encode


def show_stack(error: BaseException) -> str:
    """The stack of an exception as Python prints it: of a long one the innermost frames, at most 8 KiB in all."""
    trace = error.__traceback__
    if trace is not None and trace.tb_next is not None:
        trace = trace.tb_next  # the first frame is the worker's own
    shown = traceback.TracebackException(type(error), error, trace, limit=-_MAX_FRAMES)
    said = "".join(shown.format_exception_only())
    frames = "".join(shown.format()).removesuffix(said).encode("utf-8", "replace")
    end = shorten(said).encode()
    left = _MAX_STACK_BYTES - len(end)
    if len(frames) > left:
        frames = b"...\n" + frames[-left + 4 :].partition(b"\n")[2]
    return (frames + end).decode("utf-8", "replace")

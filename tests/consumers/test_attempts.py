"""One attempt at a task, and what comes of it."""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import BaseModel

from mabos.consumers import AgentGroup, Reject, RetryPolicy, Task
from mabos.consumers.attempts import Attempts
from mabos.consumers.errors import TaskCancelled
from mabos.consumers.jobs import Job
from mabos.consumers.retry import GiveUp, Retry
from mabos.consumers.triage import Clocks
from mabos.consumers.verdicts import Answered, Awaiting, Raised, Run, TryAgain
from mabos.schemas.errors import InvalidTask
from mabos.schemas.events import Status
from tests.support.jobs import NoSurroundings, make_job

ONCE = RetryPolicy(max_attempts=1)
NOW_S = 1_700_000_000.0
CLOCKS = Clocks(wall_s=lambda: NOW_S)


def run(
    function: Any, job: Job | None = None, *, retry: RetryPolicy = ONCE, left_s: float | None = None
) -> Answered | TryAgain:
    """Make one attempt with a handler."""
    agents = AgentGroup("g", retry=retry)
    agents.on_task_request("act")(function)
    return run_group(agents, job, left_s=left_s)


def run_group(agents: AgentGroup, job: Job | None = None, *, left_s: float | None = None) -> Answered | TryAgain:
    """As the engine does it: a plain handler right here, an async one on a loop, and what must be awaited, too."""
    job = job or make_job(payload={"action": "act"})
    attempts, attempt = Attempts(agents, max_result_bytes=1_000_000, clocks=CLOCKS), begin(agents, job, left_s)
    if attempt.handler.is_async:
        return asyncio.run(attempts.run_async(job, attempt))
    found = attempts.run_plain(job, attempt)
    return asyncio.run(attempts.run_async(job, found.run, found)) if isinstance(found, Awaiting) else found


def begin(agents: AgentGroup, job: Job, left_s: float | None = None) -> Run:
    """What the triage says of a job that may run."""
    handler = agents.find_handler("act")
    assert handler is not None
    job.attempt += 1
    job.task = Task(job, job.request.payload, NoSurroundings())
    return Run(handler, job.task, left_s)


def code(what: Answered | TryAgain) -> str:
    assert isinstance(what, Answered)
    assert what.error is not None
    return what.error.code


def both(body: Callable[[Task], Any]) -> list[Any]:
    """A body as a plain handler and as an async one."""

    async def in_the_loop(task: Task) -> Any:
        return body(task)

    def in_a_thread(task: Task) -> Any:
        return body(task)

    return [pytest.param(in_a_thread, id="plain"), pytest.param(in_the_loop, id="async")]


@pytest.mark.parametrize("handler", both(lambda task: {"n": task.attempt, "at": str(task.position)}))
def test_a_result_completes_the_task(handler: Any) -> None:
    """The answer has what the handler returned, and when it began."""
    job = make_job(payload={"action": "act"}, offset=4, partition=2)
    assert run(handler, job) == Answered(
        status=Status.COMPLETED, result_json='{"n":1,"at":"requests:2:4"}', started_at_ms=round(NOW_S * 1000)
    )
    assert job.attempt == 1


@pytest.mark.parametrize("handler", both(lambda task: None))
def test_nothing_is_an_empty_result(handler: Any) -> None:
    """A handler need not return anything."""
    what = run(handler)
    assert isinstance(what, Answered)
    assert (what.status, what.result_json) == (Status.COMPLETED, "{}")


def reject(task: Task) -> None:
    raise Reject("no such city", field="payload.city")


@pytest.mark.parametrize("handler", both(reject))
def test_a_reject_is_not_retried(handler: Any) -> None:
    """It is the caller's fault: rejected at the first attempt, naming the field, and no dead letter."""
    what = run(handler, retry=RetryPolicy(max_attempts=5))
    assert isinstance(what, Answered)
    assert what.error is not None
    assert (what.status, what.error.message) == (Status.REJECTED, "payload.city: no such city")
    assert not what.is_dead


class Model(BaseModel):
    """A payload."""

    n: int


def test_a_payload_that_does_not_fit_the_model_is_rejected() -> None:
    """The handler does not run."""

    def handler(model: Model) -> None:
        raise AssertionError("it ran")

    what = run(handler, make_job(payload={"action": "act", "n": "many"}))
    assert isinstance(what, Answered)
    assert what.status is Status.REJECTED
    assert what.error is not None
    assert what.error.message.startswith("payload.n: ")


async def wait_for_ever(task: Task) -> None:
    await asyncio.Event().wait()


def behind_a_plain_wrapper(task: Task) -> Awaitable[None]:
    return wait_for_ever(task)


async def angry_when_cancelled(task: Task) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        raise ValueError("not now")


@pytest.mark.parametrize("handler", [wait_for_ever, behind_a_plain_wrapper, angry_when_cancelled])
def test_a_deadline_that_passes_while_an_async_handler_runs_times_out(handler: Any) -> None:
    """It is cancelled, and answered timed_out whatever it raises then; not retried."""
    what = run(handler, retry=RetryPolicy(), left_s=0.02)
    assert isinstance(what, Answered)
    assert (what.status, code(what)) == (Status.TIMED_OUT, "timed_out")


def raise_timeout(task: Task) -> None:
    raise TimeoutError("the database said nothing")


@pytest.mark.parametrize("handler", both(raise_timeout))
def test_a_handlers_own_timeout_is_a_failure_like_any_other(handler: Any) -> None:
    """It is retried, deadline or not."""
    what = run(handler, retry=RetryPolicy(), left_s=60.0)
    assert isinstance(what, TryAgain)
    assert what.cause == "TimeoutError: the database said nothing"


def fail(task: Task) -> None:
    raise ValueError("no luck")


@pytest.mark.parametrize("handler", both(fail))
def test_a_failure_is_tried_again_and_then_given_up(handler: Any) -> None:
    """The last failure is answered with its cause, and buried."""
    job = make_job(payload={"action": "act"})
    policy = RetryPolicy(max_attempts=2, backoff_s=0.5)
    first = run(handler, job, retry=policy)
    assert isinstance(first, TryAgain)
    assert 0.25 <= first.after_s <= 0.5
    last = run(handler, job, retry=policy)
    assert isinstance(last, Answered)
    assert last.error is not None
    assert (last.status, last.is_dead, last.error.retryable) == (Status.FAILED, True, True)
    assert last.error.message == "ValueError: no luck (attempt 2 of 2 failed)"


def leave(task: Task) -> None:
    sys.exit(3)


def interrupt(task: Task) -> None:
    raise KeyboardInterrupt


def stop_iteration(task: Task) -> Any:
    return next(iter([]))


def cancel(task: Task) -> None:
    raise asyncio.CancelledError


def surrogate(task: Task) -> None:
    raise ValueError("\ud800 is no character")


def generator_exit(task: Task) -> None:
    raise GeneratorExit


def own_invalid_task(task: Task) -> None:
    raise InvalidTask("payload", "of a task that the handler sent is wrong")


@pytest.mark.parametrize(
    "handler",
    [
        p
        for body in (leave, interrupt, stop_iteration, cancel, generator_exit, surrogate, own_invalid_task)
        for p in both(body)
    ],
)
def test_whatever_a_handler_raises_is_a_failure_of_that_task(handler: Any) -> None:
    """Neither sys.exit nor Ctrl-C nor a stray StopIteration or CancelledError ends or hangs the worker."""
    what = run(handler)
    assert code(what) == "handler_failed"
    assert isinstance(what, Answered)
    assert what.error is not None
    what.error.message.encode()


def test_a_handler_that_cancels_what_it_waits_for_fails() -> None:
    """The cancellation is its own, not the engine's: the task must be answered."""

    async def handler(task: Task) -> None:
        inner = asyncio.create_task(asyncio.Event().wait())
        inner.cancel()
        await inner

    assert code(run(handler)) == "handler_failed"


def test_a_cancelled_attempt_is_not_answered() -> None:
    """When the engine cancels it, it ends as cancelled, also where the handler raises something else then."""
    started = asyncio.Event()

    async def handler(task: Task) -> None:
        started.set()
        await angry_when_cancelled(task)

    async def cancel_it() -> None:
        agents = AgentGroup("g")
        agents.on_task_request("act")(handler)
        job, attempts = make_job(payload={"action": "act"}), Attempts(agents, max_result_bytes=1000)
        attempt = asyncio.create_task(attempts.run_async(job, begin(agents, job)))
        await started.wait()
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt

    asyncio.run(cancel_it())


@pytest.mark.parametrize(
    ("result", "hint"),
    [
        ({"x": float("nan")}, "the handler's result.x: nan is not a JSON number"),
        ({"x": {1, 2}}, "the handler's result: cannot be written as JSON"),
        ({"x": "a" * 10_000_000}, "the handler's result: takes 10000008 bytes, at most 1000000 are allowed"),
        ([1], "the handler's result: must be a JSON object, not list"),
        ((n for n in range(3)), "the handler's result: must be a JSON object, not generator"),
    ],
    ids=["nan", "set", "10 MB", "list", "generator"],
)
def test_a_result_that_cannot_be_sent_fails_the_task_at_once(result: Any, hint: str) -> None:
    """Another attempt would return the same: no retry, a dead letter, and the reason."""
    what = run(lambda task: result, retry=RetryPolicy(max_attempts=5))
    assert code(what) == "bad_result"
    assert isinstance(what, Answered)
    assert what.error is not None
    assert what.error.message.startswith(hint)
    assert what.is_dead


async def on_model(model: Model) -> Model:
    return Model(n=model.n * 2)


def plain_wrapper(function: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
    @functools.wraps(function)
    def wrapper(argument: Any) -> Awaitable[Any]:
        return function(argument)

    return wrapper


@pytest.mark.parametrize("handler", [on_model, plain_wrapper(on_model), functools.partial(on_model)])
def test_async_handlers_are_awaited_behind_whatever_wrapper(handler: Any) -> None:
    """A decorator that is not async itself changes nothing."""
    what = run(handler, make_job(payload={"action": "act", "n": 21}))
    assert isinstance(what, Answered)
    assert what.result_json == '{"n":42}'


def give_in(task: Task) -> None:
    assert task._job.task is not None
    task._job.task.cancelled = True
    task._job.cancel_reason = "not wanted any more"
    task.check_cancelled()


@pytest.mark.parametrize("handler", both(give_in))
def test_a_handler_that_gives_in_to_a_cancellation_is_answered_cancelled(handler: Any) -> None:
    """With the reason that was given, whatever retries it would have."""
    what = run(handler, retry=RetryPolicy())
    assert isinstance(what, Answered)
    assert what.error is not None
    assert (what.status, code(what), what.error.message) == (Status.CANCELLED, "cancelled", "not wanted any more")
    assert not what.is_dead


def test_a_handler_that_is_cancelled_and_raises_something_else_is_answered_cancelled() -> None:
    """What it raises then is not held against it, and is not retried."""

    async def handler(task: Task) -> None:
        task._job.cancel_reason = "stop it"
        raise ValueError("broken off")

    what = run(handler, retry=RetryPolicy())
    assert isinstance(what, Answered)
    assert what.status is Status.CANCELLED


def test_a_handler_that_takes_no_notice_of_a_cancellation_completes() -> None:
    """Its work is done, so its result is what the caller gets."""

    def handler(task: Task) -> dict[str, int]:
        task._job.cancel_reason = "too late"
        return {"n": 1}

    what = run(handler)
    assert isinstance(what, Answered)
    assert (what.status, what.result_json) == (Status.COMPLETED, '{"n":1}')


@pytest.mark.parametrize("handler", both(fail))
def test_on_error_is_told_of_each_failure_and_what_was_decided(handler: Any) -> None:
    """The task, the error, and whether there is another attempt."""
    told: list[tuple[int, str, type]] = []
    agents = AgentGroup("g", retry=RetryPolicy(max_attempts=2))
    agents.on_task_request("act")(handler)
    agents.on_error(lambda task, error, decision: told.append((task.attempt, str(error), type(decision))))
    job = make_job(payload={"action": "act"})
    run_group(agents, job)
    run_group(agents, job)
    assert told == [(1, "no luck", Retry), (2, "no luck", GiveUp)]


def test_on_error_is_told_of_an_exit_as_an_error() -> None:
    """The function gets an Exception, also where the handler called sys.exit."""
    told: list[str] = []
    agents = AgentGroup("g", retry=ONCE)
    agents.on_task_request("act")(leave)
    agents.on_error(lambda task, error, decision: told.append(str(error)))
    run_group(agents)
    assert told == ["the handler raised SystemExit(3)"]


@pytest.mark.parametrize("error", [Reject("no"), TaskCancelled()], ids=lambda error: type(error).__name__)
def test_on_error_is_not_told_of_what_is_no_failure(error: Exception) -> None:
    """A task that is rejected or cancelled did not fail."""
    told: list[Exception] = []

    def handler(task: Task) -> None:
        raise error

    agents = AgentGroup("g")
    agents.on_task_request("act")(handler)
    agents.on_error(lambda task, error, decision: told.append(error))
    run_group(agents)
    assert told == []


@pytest.mark.parametrize("handler", both(fail))
def test_an_on_error_function_that_raises_changes_nothing(handler: Any) -> None:
    """The task is decided on as if there were none."""

    def angry(task: Task, error: Exception, decision: Retry | GiveUp) -> None:
        raise RuntimeError("the alarm is broken")

    agents = AgentGroup("g", retry=RetryPolicy(max_attempts=2))
    agents.on_task_request("act")(handler)
    agents.on_error(angry)
    job = make_job(payload={"action": "act"})
    assert isinstance(run_group(agents, job), TryAgain)
    assert code(run_group(agents, job)) == "handler_failed"


def deep(levels: int) -> None:
    secret = "hunter2-" + str(levels)
    if levels:
        deep(levels - 1)
    raise ValueError(f"no customer at level {len(secret)}")


def test_a_failure_tells_where_it_was_raised() -> None:
    """From the handler on, without the worker's own frame and without what its variables hold."""

    def fails(task: Task) -> None:
        deep(2)

    found = run(fails)
    assert isinstance(found, Raised)
    assert found.stack.startswith("Traceback (most recent call last):\n")
    assert found.stack.endswith("ValueError: no customer at level 9\n")
    assert [line.split(" in ")[1] for line in found.stack.splitlines() if line.startswith("  File")] == [
        *("fails", "deep", "deep", "deep")
    ]
    assert "hunter2-0" not in found.stack


@pytest.mark.parametrize("said", ["short", "x" * 1_000_000, "\ud800"])
def test_of_a_long_stack_the_innermost_frames_are_kept(said: str) -> None:
    """In 8 KiB, with the exception at its end, whatever it says."""

    def fails(task: Task) -> None:
        def dive(levels: int) -> None:
            if levels:
                swim(levels - 1)
            raise RuntimeError(said)

        def swim(levels: int) -> None:
            dive(levels)

        dive(200)

    found = run(fails)
    assert isinstance(found, Raised)
    assert 2000 < len(found.stack.encode()) <= 8192
    lines = found.stack.splitlines()
    assert lines[0] == "..."
    assert lines[-1].startswith("RuntimeError: ")
    assert "in dive" in lines[-4] + lines[-3]


def test_other_ends_have_no_stack() -> None:
    """A result that cannot be sent was not raised, and neither is what is answered."""
    assert not isinstance(run(lambda task: {"x": {1, 2}}), Raised)
    assert not isinstance(run(lambda task: {}), Raised)

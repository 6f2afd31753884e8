"""One attempt at a task, and what comes of it."""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from mabos.consumers import AgentGroup, Reject, RetryPolicy, Task
from mabos.consumers.attempts import Answered, Attempts, TryAgain
from mabos.consumers.jobs import Job
from mabos.schemas.errors import InvalidTask
from mabos.schemas.events import Status
from tests.support.jobs import make_job

ONCE = RetryPolicy(max_attempts=1)
NOW_S = 1_700_000_000.0


def run(function: Any, job: Job | None = None, *, retry: RetryPolicy = ONCE) -> Answered | TryAgain:
    """Make one attempt with a handler."""
    agents = AgentGroup("g", retry=retry)
    agents.on_task_request("act")(function)
    return run_group(agents, job)


def run_group(agents: AgentGroup, job: Job | None = None) -> Answered | TryAgain:
    attempts = Attempts(agents, topic="requests", max_result_bytes=1_000_000, clock=lambda: NOW_S)
    try:
        return asyncio.run(attempts.run(job or make_job(payload={"action": "act"})))
    finally:
        attempts.close()


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


def test_plain_handlers_run_in_threads_and_async_ones_do_not() -> None:
    """A plain handler may block; the loop's thread never waits for one."""
    names: list[str] = []
    for handler in (p.values[0] for p in both(lambda task: names.append(threading.current_thread().name))):
        run(handler)
    assert names[0].startswith("mabos-handler-")
    assert names[1] == threading.current_thread().name


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


@pytest.mark.parametrize("text", ["{", "[1]", "7", "null", '"text"', ""], ids=str)
def test_a_payload_of_a_foreign_producer_that_is_no_object_is_rejected(text: str) -> None:
    """Nothing runs, nothing is retried, and the caller hears of it."""
    job = make_job(payload_json=text)
    what = run(lambda task: {}, job)
    assert code(what) == "invalid_payload"
    assert job.attempt == 0


def test_an_unknown_action_is_rejected_and_the_known_ones_are_named() -> None:
    """The caller can see its slip of the pen."""
    agents = AgentGroup("g")
    agents.on_task_request("sum")(lambda task: {})
    agents.on_task_request("mean")(lambda task: {})
    what = run_group(agents, make_job(payload={"action": "summ"}))
    assert code(what) == "unknown_action"
    assert isinstance(what, Answered)
    assert what.error is not None
    assert what.error.message == "payload.action: no handler takes it, there are: mean, sum"
    assert what.started_at_ms is None


def test_a_record_under_a_foreign_key_is_rejected_and_buried() -> None:
    """Its agent's order cannot be kept: the handler does not run."""
    what = run(lambda task: {}, make_job(payload={"action": "act"}, misplaced="the record key is b'x'"))
    assert code(what) == "bad_key"
    assert isinstance(what, Answered)
    assert what.is_dead


def test_a_deadline_in_the_past_expires_the_task() -> None:
    """The handler does not run for an answer of no use."""
    job = make_job(payload={"action": "act"}, deadline_ms=round(NOW_S * 1000))
    what = run(lambda task: {}, job)
    assert isinstance(what, Answered)
    assert (what.status, code(what), job.attempt) == (Status.EXPIRED, "expired", 0)


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
    job = make_job(payload={"action": "act"}, deadline_ms=round(NOW_S * 1000) + 20)
    what = run(handler, job, retry=RetryPolicy())
    assert isinstance(what, Answered)
    assert (what.status, code(what)) == (Status.TIMED_OUT, "timed_out")


def raise_timeout(task: Task) -> None:
    raise TimeoutError("the database said nothing")


@pytest.mark.parametrize("handler", both(raise_timeout))
def test_a_handlers_own_timeout_is_a_failure_like_any_other(handler: Any) -> None:
    """It is retried, deadline or not."""
    job = make_job(payload={"action": "act"}, deadline_ms=round(NOW_S * 1000) + 60_000)
    what = run(handler, job, retry=RetryPolicy())
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


def own_invalid_task(task: Task) -> None:
    raise InvalidTask("payload", "of a task that the handler sent is wrong")


@pytest.mark.parametrize(
    "handler",
    [p for body in (leave, interrupt, stop_iteration, cancel, surrogate, own_invalid_task) for p in both(body)],
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
        attempts = Attempts(agents, topic="requests", max_result_bytes=1000)
        attempt = asyncio.create_task(attempts.run(make_job(payload={"action": "act"})))
        await started.wait()
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt

    asyncio.run(cancel_it())


def yielding(task: Task) -> Iterator[int]:
    return (n for n in range(3))


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


def test_a_handler_that_hangs_does_not_keep_the_process() -> None:
    """Its thread is a daemon, and closing does not wait for it."""
    release, names = threading.Event(), []

    def handler(task: Task) -> None:
        names.append(threading.current_thread())
        release.wait()

    async def leave_it() -> None:
        agents = AgentGroup("g")
        agents.on_task_request("act")(handler)
        attempts = Attempts(agents, topic="requests", max_result_bytes=1000)
        attempt = asyncio.create_task(attempts.run(make_job(payload={"action": "act"})))
        while not names:  # noqa: ASYNC110 - it is set in a thread
            await asyncio.sleep(0.001)
        attempt.cancel()
        await asyncio.gather(attempt, return_exceptions=True)
        attempts.close()

    try:
        asyncio.run(leave_it())
        assert names[0].is_alive()
        assert names[0].daemon
    finally:
        release.set()
        names[0].join(10)
        assert not names[0].is_alive()


def test_threads_are_used_again() -> None:
    """A thousand tasks, one after the other, take one thread."""
    names = set()
    agents = AgentGroup("g")
    agents.on_task_request("act")(lambda task: names.add(threading.current_thread().name))
    attempts = Attempts(agents, topic="requests", max_result_bytes=1000)

    async def run_all() -> None:
        for _ in range(1000):
            await attempts.run(make_job(payload={"action": "act"}))

    asyncio.run(run_all())
    attempts.close()
    assert names == {"mabos-handler-1"}

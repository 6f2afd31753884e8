"""Today's handlers over a task of the past, with nothing going out."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mabos.consumers import AgentGroup, Reject, RetryPolicy, Task
from mabos.consumers.past import PastTask
from mabos.consumers.rehearsal import Rehearsal
from mabos.consumers.verdicts import Answered
from mabos.consumers.verification import compare, why_not_verifiable
from mabos.kafka.position import Position
from mabos.schemas.events import Status, TaskError, TaskResponse
from tests.support.jobs import QUEUE, REQUESTS, make_message


def past(payload: Any = None, outcome: TaskResponse | None = None, **names: Any) -> PastTask:
    """A task of the past; its action is ``act`` unless its payload says otherwise."""
    message = make_message(payload={"action": "act"} if payload is None else payload, **names)
    position = Position(QUEUE.requests, message.partition() or 0, message.offset() or 0)
    return PastTask(request=REQUESTS.decode(message.value()), message=message, position=position, outcome=outcome)


def answered(status: Status = Status.COMPLETED, result: str = "{}", error: TaskError | None = None) -> TaskResponse:
    return TaskResponse(
        task_id="t-0-0", agent_id="a", status=status, result_json=result, error=error, attempt=1, started_at_ms=5_000
    )


def rehearse(agents: AgentGroup, task: PastTask | None = None) -> tuple[Answered | None, str | None]:
    rehearsal = Rehearsal(agents, REQUESTS, QUEUE.requests, max_result_bytes=1000)
    with asyncio.Runner() as runner:
        return rehearsal.run(runner, task or past())


def group(function: Any, **options: Any) -> AgentGroup:
    agents = AgentGroup("g", **options)
    agents.on_task_request("act")(function)
    return agents


def plain(task: Task) -> Any:
    return {"at": str(task.position), "attempt": task.attempt}


async def on_the_loop(task: Task) -> Any:
    await asyncio.sleep(0)
    return plain(task)


def with_awaitable(task: Task) -> Any:
    return on_the_loop(task)


@pytest.mark.parametrize("handler", [plain, on_the_loop, with_awaitable])
def test_a_handler_of_any_kind_answers_as_in_a_worker(handler: Any) -> None:
    """Plain, async, or plain with something to be awaited; it sees the recorded position."""
    answer, reason = rehearse(group(handler), past(partition=3, offset=7))
    assert reason is None
    assert answer is not None
    assert answer.status is Status.COMPLETED
    assert answer.result_json == '{"at":"mabos.tasks.requests:3:7","attempt":1}'


def test_retries_are_made_and_no_pause_is_waited_for() -> None:
    """A handler that fails twice is tried again, with back-offs of hours that nobody waits for."""
    seen: list[int] = []

    def fail_twice(task: Task) -> Any:
        seen.append(task.attempt)
        if task.attempt < 3:
            raise ConnectionError
        return {}

    patient = RetryPolicy(max_attempts=3, backoff_s=3600, max_backoff_s=7200, max_elapsed_s=100_000)
    answer, _ = rehearse(group(fail_twice, retry=patient))
    assert seen == [1, 2, 3]
    assert answer is not None
    assert answer.status is Status.COMPLETED


def test_who_fails_to_the_end_answers_so_and_nobody_is_told() -> None:
    """The group's on_error function, which may call somebody out of bed, is not called."""
    told: list[object] = []

    def fail(task: Task) -> Any:
        raise ValueError("no such parcel")

    agents = group(fail, retry=RetryPolicy(max_attempts=1))
    agents.on_error(lambda *what: told.append(what))
    answer, _ = rehearse(agents)
    assert answer is not None
    assert answer.error is not None
    assert (answer.status, answer.error.code, told) == (Status.FAILED, "handler_failed", [])


def test_an_action_that_no_handler_takes_is_rejected_at_once() -> None:
    """Also where a worker would wait for a release that knows it."""
    answer, _ = rehearse(group(plain, unknown_action_grace_s=3600), past({"action": "other"}))
    assert answer is not None
    assert answer.status is Status.REJECTED


def test_a_deadline_is_looked_at_with_the_clock_of_the_recording() -> None:
    """One that passed years ago was still ahead when the recorded attempt began, or was not."""
    assert rehearse(group(plain), past(deadline_ms=6_000, outcome=answered()))[0].status is Status.COMPLETED  # type: ignore[union-attr]
    assert rehearse(group(plain), past(deadline_ms=4_000, outcome=answered()))[0].status is Status.EXPIRED  # type: ignore[union-attr]


def test_progress_is_checked_and_dropped() -> None:
    """A handler that tells how far it is can be verified; fields that are no JSON fail it, as in a worker."""

    def tell(task: Task) -> Any:
        task.progress({"done": task.payload["done"]})
        return {}

    def tell_wrong(task: Task) -> Any:
        task.progress({"done": object()})
        return {}

    assert rehearse(group(tell), past({"action": "act", "done": 5}))[0].status is Status.COMPLETED  # type: ignore[union-attr]
    failing = group(tell_wrong, retry=RetryPolicy(max_attempts=1))
    assert rehearse(failing)[0].status is Status.FAILED  # type: ignore[union-attr]


def send(task: Task) -> Any:
    task.send("b", {})
    return {}


def send_and_catch(task: Task) -> Any:
    try:
        task.ask("b", {}).result()
    except Exception:  # noqa: BLE001 - as handlers do
        return {"instead": True}
    return {}


async def ask(task: Task) -> Any:
    return (await task.ask("b", {})).result


@pytest.mark.parametrize("handler", [send, send_and_catch, ask])
def test_who_asks_or_sends_cannot_be_verified(handler: Any) -> None:
    """Nothing goes out, and no answer counts: also where the handler catches the error."""
    assert rehearse(group(handler)) == (None, "its handler asks or sends")


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (None, "no outcome is recorded"),
        (answered(Status.CANCELLED), "it was cancelled"),
        (answered(Status.TIMED_OUT), "it was timed_out"),
        (answered(Status.FAILED, error=TaskError(code="worker_lost", message="")), "it failed with worker_lost"),
        (answered(Status.FAILED, error=TaskError(code="handler_failed", message="")), None),
        (answered(Status.REJECTED), None),
        (answered(), None),
    ],
)
def test_only_what_handlers_made_is_compared(outcome: TaskResponse | None, reason: str | None) -> None:
    """What was cancelled, came too late or went down with its worker says nothing of its handler."""
    assert why_not_verifiable(past(outcome=outcome)) == reason


def test_status_result_and_error_count() -> None:
    """Each is compared; of another status, the result is not told besides."""

    def reject(task: Task) -> Any:
        raise Reject("too long", field="payload.text")

    answer, _ = rehearse(group(plain))
    assert answer is not None
    same = past(outcome=answered(result='{"attempt":1, "at":"mabos.tasks.requests:0:0"}'))
    other = past(outcome=answered(result='{"attempt":2, "at":"mabos.tasks.requests:0:0"}'))
    assert compare(same, answer) == []
    assert [str(found) for found in compare(other, answer)] == ["result.attempt: 2 -> 1"]
    assert compare(other, answer, {"attempt"}) == []
    rejected, _ = rehearse(group(reject))
    assert rejected is not None
    assert [found.path for found in compare(same, rejected)] == ["status", "error"]

"""What shall be done with a job, before any handler runs."""

from __future__ import annotations

from typing import Any

import pytest

from mabos.consumers import AgentGroup
from mabos.consumers.cancels import Cancels
from mabos.consumers.jobs import Job
from mabos.consumers.ledger import Ledger
from mabos.consumers.tenure import Tenure
from mabos.consumers.triage import Clocks, Triage
from mabos.consumers.verdicts import Answered, Bury, Mark, Run, Skip, TryAgain, Verdict
from mabos.schemas.codec import REQUEST, Codec
from mabos.schemas.events import Status
from tests.support.jobs import NoSurroundings, make_message, make_raw_message, make_tenure
from tests.support.registries import FakeRegistry

NOW_S = 1_700_000_000.0
UNKNOWN_SCHEMA = b"\x00\x00\x00\x00\x63abc"


class Desk:
    """A triage, its registry, its clocks and what somebody wants cancelled."""

    def __init__(self, *, grace_s: float = 0.0) -> None:
        self.registry, self.cancels = FakeRegistry(), Cancels()
        self.passed_s = 100.0
        agents = AgentGroup("g", unknown_action_grace_s=grace_s)
        agents.on_task_request("sum")(lambda task: {})
        agents.on_task_request("mean")(lambda task: {})
        self.triage = Triage(
            agents,
            Codec(REQUEST, 1, self.registry.as_registry),
            self.cancels,
            NoSurroundings(),
            Clocks(wall_s=lambda: NOW_S, monotonic_s=lambda: self.passed_s),
        )

    def look(self, payload: object = None, *, tenure: Tenure | None = None, **names: Any) -> Verdict:
        """Look at a new job of agent ``a``."""
        message = make_message("a", {"action": "sum"} if payload is None else payload, **names)
        return self.triage.look(Job(message, tenure or make_tenure()))

    def look_raw(self, key: bytes | None, value: bytes | None) -> Verdict:
        """Look at a new job of any record."""
        return self.triage.look(Job(make_raw_message(key, value, offset=17, partition=3), make_tenure(3)))


def code(verdict: Verdict) -> str:
    assert isinstance(verdict, Answered)
    assert verdict.error is not None
    return verdict.error.code


def good() -> bytes:
    value = make_message("a", {"action": "sum"}).value()
    assert value is not None
    return value


def test_a_good_record_runs() -> None:
    """Its handler gets the task, with its place, its names and its first attempt."""
    job = Job(make_message("a", {"action": "sum", "n": 1}, offset=17, partition=3), make_tenure(3))
    verdict = Desk().triage.look(job)
    assert isinstance(verdict, Run)
    task = verdict.task
    assert (verdict.handler.action, verdict.left_s, task.payload["n"]) == ("sum", None, 1)
    assert (task.agent_id, task.task_id, task.attempt) == ("a", "t-3-17", 1)
    assert (str(task.position), task.headers) == ("requests:3:17", (("traceparent", b"00-1"),))
    assert job.task is task


@pytest.mark.parametrize("key", [None, b"", b"other", b"\xff\xfe"], ids=repr)
def test_a_record_under_a_foreign_key_is_buried(key: bytes | None) -> None:
    """Its agent's order cannot be kept, and it may bear the ids of a task that runs elsewhere: it gets no answer."""
    assert Desk().look_raw(key, good()) == Bury("bad_key", f"the record key is {key!a}, not the agent_id")


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b"\x00", "truncated"),
        (b"{}", "bad_magic"),
        (UNKNOWN_SCHEMA, "unknown_schema"),
        (good()[:-1], "truncated"),
        (good() + b"\x00", "trailing_bytes"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_record_that_is_no_task_is_buried(value: bytes | None, code: str) -> None:
    """With the kind of fault, and the cause for people."""
    verdict = Desk().look_raw(b"a", value)
    assert isinstance(verdict, Bury)
    assert verdict.code == code
    assert verdict.cause


def test_an_unknown_schema_with_the_registry_away_waits() -> None:
    """The record may be good: it is looked at again, and no attempt failed."""
    desk = Desk()
    desk.registry.is_away = True
    job = Job(make_raw_message(b"a", UNKNOWN_SCHEMA, offset=0, partition=0), make_tenure())
    verdict = desk.triage.look(job)
    assert isinstance(verdict, TryAgain)
    assert not verdict.is_failure
    desk.registry.is_away = False
    assert isinstance(desk.triage.look(job), Bury)


@pytest.mark.parametrize("text", ["{", "[1]", "7", "null", '"text"', ""], ids=str)
def test_a_payload_of_a_foreign_producer_that_is_no_object_is_rejected(text: str) -> None:
    """Nothing runs, nothing is retried, and the caller hears of it."""
    job = Job(make_message(payload_json=text), make_tenure())
    assert code(Desk().triage.look(job)) == "invalid_payload"
    assert job.attempt == 0


def test_an_unknown_action_is_rejected_and_the_known_ones_are_named() -> None:
    """The caller can see its slip of the pen."""
    verdict = Desk().look({"action": "summ"})
    assert code(verdict) == "unknown_action"
    assert isinstance(verdict, Answered)
    assert verdict.error is not None
    assert verdict.error.message == "payload.action: no handler takes it, there are: mean, sum"
    assert verdict.started_at_ms is None


def test_an_unknown_action_waits_for_a_worker_that_knows_it() -> None:
    """As long as the grace allows, from when the task was first looked at; then it is rejected."""
    desk = Desk(grace_s=60.0)
    job = Job(make_message("a", {"action": "new"}), make_tenure())
    for passed_s in (100.0, 110.0, 159.9):
        desk.passed_s = passed_s
        verdict = desk.triage.look(job)
        assert isinstance(verdict, TryAgain)
        assert not verdict.is_failure
        assert verdict.after_s <= 1.0
    desk.passed_s = 160.0
    assert code(desk.triage.look(job)) == "unknown_action"
    assert job.attempt == 0


def test_a_deadline_in_the_past_expires_the_task() -> None:
    """The handler does not run for an answer of no use."""
    verdict = Desk().look(deadline_ms=round(NOW_S * 1000))
    assert isinstance(verdict, Answered)
    assert (verdict.status, code(verdict)) == (Status.EXPIRED, "expired")


def test_a_deadline_to_come_is_told_to_the_attempt() -> None:
    """In seconds from now."""
    verdict = Desk().look(deadline_ms=round(NOW_S * 1000) + 1500)
    assert isinstance(verdict, Run)
    assert verdict.left_s == pytest.approx(1.5)


def test_a_deadline_that_passed_between_two_attempts_expires_the_task() -> None:
    """A retry is looked at anew."""
    desk = Desk()
    job = Job(make_message("a", {"action": "sum"}, deadline_ms=round(NOW_S * 1000)), make_tenure())
    job.attempt, job.request = 1, desk.triage.codec.decode(job.value)
    assert code(desk.triage.look(job)) == "expired"


@pytest.mark.parametrize("attempt", [0, 1])
def test_a_task_that_shall_be_cancelled_does_not_run(attempt: int) -> None:
    """Whether it waits for its first attempt or for another one; the reason is told."""
    desk = Desk()
    desk.cancels.add("a", "t-0-0", "changed my mind")
    job = Job(make_message("a", {"action": "sum"}), make_tenure())
    job.attempt, job.request = attempt, desk.triage.codec.decode(job.value)
    verdict = desk.triage.look(job)
    assert isinstance(verdict, Answered)
    assert (verdict.status, code(verdict)) == (Status.CANCELLED, "cancelled")
    assert verdict.error is not None
    assert verdict.error.message == "changed my mind"


def test_the_task_of_another_agent_is_not_cancelled() -> None:
    """Two agents may each have a task of one name."""
    desk = Desk()
    desk.cancels.add("b", "t-0-0", "not this one")
    assert isinstance(desk.look(), Run)


def test_a_task_that_has_its_outcome_is_skipped() -> None:
    """Found on the log, with its place; or answered by this worker, wherever that will stand."""
    ledger = Ledger(10)
    ledger.load(("a", "t-0-0"), 40, is_pointed_to=True)
    ledger.answer(("a", "t-0-1"))
    tenure = make_tenure(ledger=ledger)
    assert Desk().look(tenure=tenure, offset=0) == Skip(40)
    assert Desk().look(tenure=tenure, offset=1) == Skip(None)
    assert isinstance(Desk().look(tenure=tenure, offset=2), Run)


def test_a_task_that_has_its_outcome_is_skipped_whatever_is_wrong_now() -> None:
    """A deadline that passed meanwhile, a cancellation or a foreign key would be a second outcome."""
    desk = Desk()
    tenure = make_tenure()
    tenure.ledger.answer(("a", "t-0-0"))
    desk.cancels.add("a", "t-0-0", "too late")
    assert desk.look(tenure=tenure, deadline_ms=1) == Skip(None)
    value = make_message("a").value()
    assert desk.triage.look(Job(make_raw_message(b"x", value, offset=0, partition=0), tenure)) == Skip(None)


def test_a_retry_is_not_taken_for_a_duplicate() -> None:
    """The ledger is asked before the first attempt only."""
    tenure = make_tenure()
    job = Job(make_message("a", {"action": "sum"}), tenure)
    desk = Desk()
    assert isinstance(desk.triage.look(job), Run)
    assert isinstance(desk.triage.look(job), Run)
    assert job.attempt == 2


class Suspects:
    """A partition whose last owner went down, and what the triage says of its tasks."""

    def __init__(self, *, marks: int = 0) -> None:
        ledger = Ledger(10)
        for offset in range(marks):
            ledger.load_mark(("a", "t-0-0"), offset)
        ledger.suspect(5)
        self.tenure, self.desk = make_tenure(ledger=ledger), Desk()

    def look(self, agent_id: str, offset: int) -> tuple[Job, Verdict]:
        job = Job(make_message(agent_id, {"action": "sum"}, offset=offset), self.tenure)
        return job, self.desk.triage.look(job)


def test_the_first_unanswered_task_of_each_agent_is_marked_and_then_runs() -> None:
    """It may be what killed the worker; those behind it cannot be, and those that came later neither."""
    suspects = Suspects()
    job, verdict = suspects.look("a", 0)
    assert isinstance(verdict, Mark)
    assert (job.deaths, job.attempt) == (1, 0)
    job.is_marked = True
    assert isinstance(suspects.desk.triage.look(job), Run)
    assert isinstance(suspects.look("a", 1)[1], Run)
    assert isinstance(suspects.look("b", 2)[1], Mark)
    assert isinstance(suspects.look("c", 5)[1], Run)


def test_after_an_owner_that_left_in_order_nothing_is_suspect() -> None:
    """A restart costs no mark."""
    assert isinstance(Desk().look(), Run)


def test_marks_of_the_past_count_as_deaths() -> None:
    """Each mark without an outcome is a worker that went down with it in hand."""
    job, verdict = Suspects(marks=1).look("a", 0)
    assert isinstance(verdict, Mark)
    assert job.deaths == 2


def test_a_task_that_took_three_workers_down_is_given_up() -> None:
    """It does not run again; it is answered and buried."""
    job, verdict = Suspects(marks=2).look("a", 0)
    assert code(verdict) == "worker_lost"
    assert isinstance(verdict, Answered)
    assert (verdict.status, verdict.is_dead, job.attempt) == (Status.FAILED, True, 0)
    assert verdict.error is not None
    assert verdict.error.retryable


def test_an_answered_task_is_no_suspect() -> None:
    """The suspect is the first of its agent that has no outcome."""
    suspects = Suspects()
    suspects.tenure.ledger.load(("a", "t-0-0"), 3, is_pointed_to=True)
    assert suspects.look("a", 0)[1] == Skip(3)
    assert isinstance(suspects.look("a", 1)[1], Mark)

"""Jobs that wait for another attempt, or for their mark."""

from __future__ import annotations

from mabos.consumers.comebacks import Comebacks
from tests.support.jobs import make_job


class FakeTimer:
    """Knows whether it was stopped."""

    is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


def test_what_need_not_wait_any_longer_is_ready_once() -> None:
    """In the order in which that happens, but for one that goes first."""
    comebacks, jobs = Comebacks(), [make_job(offset=offset) for offset in range(3)]
    for job in jobs:
        comebacks.wait(job)
    assert comebacks.resume(jobs[1])
    assert comebacks.resume(jobs[2])
    assert comebacks.resume(jobs[0], is_first=True)
    assert not comebacks.resume(jobs[0])
    assert list(comebacks.ready) == [jobs[0], jobs[1], jobs[2]]
    assert not any(map(comebacks.is_waiting, jobs))


def test_what_is_dropped_does_not_come_back() -> None:
    """Waiting or ready; its timer does not go off, and others keep theirs."""
    comebacks, jobs = Comebacks(), [make_job(offset=offset) for offset in range(4)]
    timers = [FakeTimer(), FakeTimer()]
    comebacks.wait(jobs[0], timers[0])
    comebacks.wait(jobs[1], timers[1])
    for job in jobs[2:]:
        comebacks.wait(job)
        comebacks.resume(job)
    assert comebacks.drop(lambda job: job.offset % 2 == 0) == [jobs[0], jobs[2]]
    assert [timer.is_cancelled for timer in timers] == [True, False]
    assert not comebacks.resume(jobs[0])
    assert comebacks.is_waiting(jobs[1])
    assert list(comebacks.ready) == [jobs[3]]

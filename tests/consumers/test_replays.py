"""A replay as a piece of work in a thread."""

from __future__ import annotations

import threading

import pytest

from mabos.consumers.replays import Progress, Replay
from mabos.schemas.errors import InvalidTask


class Waiting(Replay[str]):
    """Works until it is stopped."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.error = error
        self.began = threading.Event()

    @property
    def progress(self) -> Progress:
        return Progress(done=1, total=None, unit="tasks")

    def run(self) -> str:
        self.began.set()
        if self.error is not None:
            raise self.error
        self._stopping.wait(60)
        return "stopped" if self.is_stopping else "too late"


def test_it_runs_in_a_thread_until_it_is_stopped() -> None:
    """While it runs its result is not there; after a stop it is."""
    job = Waiting()
    job.start()
    assert job.began.wait(60)
    assert job.is_running
    with pytest.raises(TimeoutError, match="goes on"):
        job.result(0.01)
    job.stop()
    assert job.result(60) == "stopped"
    assert not job.is_running


def test_its_error_is_told_to_who_asks_for_the_result() -> None:
    """As it was raised."""
    job = Waiting(InvalidTask("agent_id", "is none"))
    job.start()
    with pytest.raises(InvalidTask, match="agent_id"):
        job.result(60)


def test_who_never_started_it_is_told() -> None:
    """Else they would wait for ever."""
    with pytest.raises(RuntimeError, match="never started"):
        Waiting().result()

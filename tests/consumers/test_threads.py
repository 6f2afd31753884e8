"""Threads for plain handlers."""

from __future__ import annotations

import threading

from mabos.consumers.threads import HandlerThreads
from tests.support.waiting import eventually


def test_a_handler_that_hangs_does_not_keep_the_process() -> None:
    """Its thread is a daemon, and closing does not wait for it."""
    release, found = threading.Event(), []
    threads = HandlerThreads()

    def hang() -> None:
        found.append(threading.current_thread())
        release.wait()

    try:
        threads.run(hang)
        eventually(lambda: found)
        threads.close()
        assert found[0].is_alive()
        assert found[0].daemon
    finally:
        release.set()
        found[0].join(10)
        assert not found[0].is_alive()


def test_threads_are_used_again() -> None:
    """A thousand tasks, one after the other, take one thread or, where one is not free at once, two."""
    names = set()
    threads = HandlerThreads()
    for _ in range(1000):
        done = threading.Event()

        def call(done: threading.Event = done) -> None:
            names.add(threading.current_thread().name)
            done.set()

        threads.run(call)
        assert done.wait(10)
    threads.close()
    assert names <= {"mabos-handler-1", "mabos-handler-2"}


def test_as_many_run_at_a_time_as_are_called() -> None:
    """A function that waits for another one that was called later is not stuck."""
    threads = HandlerThreads()
    meeting = threading.Barrier(5)
    for _ in range(4):
        threads.run(lambda: meeting.wait(10) and None)
    meeting.wait(10)
    threads.close()

"""Calls that may never come back keep nobody for longer than they may."""

from __future__ import annotations

import threading

import pytest

from mabos.consumers.bounded import BoundedCalls
from tests.support.waiting import eventually


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name for the threads of this test alone: those of the last one may still be ending."""
    return request.node.name


def count_threads(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())


def test_calls_are_made_in_order_and_not_on_the_thread_that_waits(name: str) -> None:
    """One thread makes them all."""
    calls, made = BoundedCalls(name), []
    for n in range(3):
        calls.call(lambda n=n: made.append((n, threading.current_thread().name)), 10)  # type: ignore[misc]
    assert made == [(n, name) for n in range(3)]


def test_what_a_call_raises_is_raised_and_the_next_call_is_made(name: str) -> None:
    """Also what is no plain exception."""
    calls, made = BoundedCalls(name), []

    def fail() -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        calls.call(fail, 10)
    calls.call(lambda: made.append(1), 10)
    assert made == [1]


def test_a_call_that_does_not_come_back_is_left_alone(name: str) -> None:
    """It keeps its thread, whatever comes of it is nobody's, and its thread ends with it."""
    calls, may_end, made = BoundedCalls(name), threading.Event(), []

    def hang() -> None:
        may_end.wait(30)
        raise ValueError("too late")

    with pytest.raises(TimeoutError, match=r"not done within 0\.05 s"):
        calls.call(hang, 0.05)
    calls.call(lambda: made.append(1), 10)
    assert made == [1]
    assert count_threads(name) == 2
    may_end.set()
    eventually(lambda: count_threads(name) == 1)
    calls.call(lambda: made.append(2), 10)  # hears nothing of the one that came too late
    assert made == [1, 2]


def test_its_thread_ends_with_it(name: str) -> None:
    """And the one that a call had kept, once that call is done."""
    calls, may_end = BoundedCalls(name), threading.Event()
    with pytest.raises(TimeoutError):
        calls.call(lambda: may_end.wait(30), 0.05)
    del calls
    may_end.set()
    eventually(lambda: count_threads(name) == 0)

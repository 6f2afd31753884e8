"""Calls that may never come back keep nobody for longer than they may."""

from __future__ import annotations

import threading

import pytest

from mabos.consumers.bounded import BoundedCalls
from tests.support.waiting import eventually

NAME = "bounded-in-test"


def count_threads() -> int:
    return sum(thread.name == NAME for thread in threading.enumerate())


def test_calls_are_made_in_order_and_not_on_the_thread_that_waits() -> None:
    """One thread makes them all."""
    calls, made = BoundedCalls(NAME), []
    for n in range(3):
        calls.call(lambda n=n: made.append((n, threading.current_thread().name)), 10)  # type: ignore[misc]
    assert made == [(n, NAME) for n in range(3)]


def test_what_a_call_raises_is_raised_and_the_next_call_is_made() -> None:
    """Also what is no plain exception."""
    calls, made = BoundedCalls(NAME), []

    def fail() -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        calls.call(fail, 10)
    calls.call(lambda: made.append(1), 10)
    assert made == [1]


def test_a_call_that_does_not_come_back_is_left_alone() -> None:
    """It keeps its thread, whatever comes of it is nobody's, and its thread ends with it."""
    before = count_threads()
    calls, may_end, made = BoundedCalls(NAME), threading.Event(), []

    def hang() -> None:
        may_end.wait(30)
        raise ValueError("too late")

    with pytest.raises(TimeoutError, match=r"not done within 0\.05 s"):
        calls.call(hang, 0.05)
    calls.call(lambda: made.append(1), 10)
    assert made == [1]
    assert count_threads() == before + 2
    may_end.set()
    eventually(lambda: count_threads() == before + 1)
    calls.call(lambda: made.append(2), 10)  # hears nothing of the one that came too late
    assert made == [1, 2]


def test_its_thread_ends_with_it() -> None:
    """And the one that a call had kept, once that call is done."""
    before = count_threads()
    calls, may_end = BoundedCalls(NAME), threading.Event()
    with pytest.raises(TimeoutError):
        calls.call(lambda: may_end.wait(30), 0.05)
    del calls
    may_end.set()
    eventually(lambda: count_threads() == before)

"""Shall a failed task be tried again, and when?"""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mabos.consumers.retry import GiveUp, Retry, RetryPolicy

SECONDS = st.floats(0, 1e6, allow_nan=False)


def test_the_default_tries_three_times() -> None:
    """Two failures are retried, the third is the last."""
    policy = RetryPolicy()
    error = ValueError("no")
    assert isinstance(policy.decide(error, attempt=1, elapsed_s=0), Retry)
    assert isinstance(policy.decide(error, attempt=2, elapsed_s=1), Retry)
    assert policy.decide(error, attempt=3, elapsed_s=2) == GiveUp(reason="attempt 3 of 3 failed")


def test_only_named_errors_are_retried() -> None:
    """An error that no other attempt could cure is given up at once, and named."""
    policy = RetryPolicy(retry_on=(ConnectionError,))
    assert isinstance(policy.decide(ConnectionResetError(), attempt=1, elapsed_s=0), Retry)
    assert policy.decide(ValueError(), attempt=1, elapsed_s=0) == GiveUp(reason="ValueError is not retried")


def test_no_attempt_begins_after_the_longest_time() -> None:
    """A task is not retried for ever, however slow its attempts are."""
    policy = RetryPolicy(max_attempts=100, backoff_s=1, max_elapsed_s=10)
    assert isinstance(policy.decide(ValueError(), attempt=1, elapsed_s=9, spread=lambda: 1.0), Retry)
    assert isinstance(policy.decide(ValueError(), attempt=1, elapsed_s=9.1, spread=lambda: 1.0), GiveUp)


@pytest.mark.parametrize(
    "bad",
    [
        {"max_attempts": 0},
        {"backoff_s": -0.1},
        {"backoff_s": 5.0, "max_backoff_s": 1.0},
        {"max_elapsed_s": -1.0},
        {"backoff_s": math.nan},
        {"max_elapsed_s": math.nan},
    ],
    ids=str,
)
def test_what_could_never_work_is_refused(bad: dict[str, float]) -> None:
    """A policy with a contradiction is refused where it is made, not at the first failure."""
    with pytest.raises(ValueError, match="must"):
        RetryPolicy(**bad)  # type: ignore[arg-type]  # that is the test


@given(
    backoff_s=SECONDS,
    more_s=SECONDS,
    attempt=st.integers(1, 10**9),
    spread=st.floats(0, 1),
)
def test_the_pause_is_within_its_bounds(backoff_s: float, more_s: float, attempt: int, spread: float) -> None:
    """From half the back-off to the longest pause, whatever the attempt: a billion of them overflow nothing."""
    policy = RetryPolicy(
        max_attempts=10**10, backoff_s=backoff_s, max_backoff_s=backoff_s + more_s, max_elapsed_s=math.inf
    )
    decision = policy.decide(ValueError(), attempt=attempt, elapsed_s=0, spread=lambda: spread)
    assert isinstance(decision, Retry)
    assert backoff_s * 0.5 <= decision.after_s <= policy.max_backoff_s


@given(attempt=st.integers(1, 2000), spread=st.floats(0, 1))
def test_pauses_grow(attempt: int, spread: float) -> None:
    """With the same spread, no pause is shorter than the one before."""
    policy = RetryPolicy(max_attempts=10**6, max_elapsed_s=math.inf)
    first, second = (
        policy.decide(ValueError(), attempt=number, elapsed_s=0, spread=lambda: spread)
        for number in (attempt, attempt + 1)
    )
    assert isinstance(first, Retry)
    assert isinstance(second, Retry)
    assert first.after_s <= second.after_s

"""Shall a failed task be tried again, and when? The decision is a value; the worker only carries it out. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import random


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Try again."""

    after_s: float
    """How long the agent's lane waits before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """Do not try again."""

    reason: str
    """Why, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When to try a failed task again. The pause doubles from attempt to attempt, and is spread to avoid herds."""

    max_attempts: int = 3
    """Attempts in all, the first one included."""
    backoff_s: float = 0.2
    """The pause before the second attempt."""
    max_backoff_s: float = 30.0
    """The longest pause."""
    max_elapsed_s: float = 120.0
    """No attempt begins later than this after the first one began."""
    retry_on: tuple[type[Exception], ...] = (Exception,)
    """Errors that another attempt could cure."""

    def __post_init__(self) -> None:
        """Refuse what could never work."""
        if self.max_attempts < 1:
            raise ValueError(f"max_attempts must be at least 1, not {self.max_attempts}")
        if not (0 <= self.backoff_s <= self.max_backoff_s and self.max_elapsed_s >= 0):  # also refuses NaN
            raise ValueError("backoff_s, max_backoff_s and max_elapsed_s must ascend from 0")

    def decide(
        self, error: Exception, *, attempt: int, elapsed_s: float, spread: Callable[[], float] = random
    ) -> Retry | GiveUp:
        """What to do after an attempt failed.

        Args:
            error: What the handler raised.
            attempt: The attempt that failed, from 1.
            elapsed_s: Time since the first attempt began.
            spread: A number from 0 to 1; the pause is between half and all of the back-off.
        """
        if not isinstance(error, self.retry_on):
            return GiveUp(reason=f"{type(error).__name__} is not retried")
        if attempt >= self.max_attempts:
            return GiveUp(reason=f"attempt {attempt} of {self.max_attempts} failed")
        longest_s = min(self.max_backoff_s, self.backoff_s * 2.0 ** min(attempt - 1, 60))
        after_s = longest_s * (0.5 + 0.5 * spread())
        if elapsed_s + after_s > self.max_elapsed_s:
            return GiveUp(reason=f"{elapsed_s:.1f} s after the first attempt there is no time for another")
        return Retry(after_s=after_s)

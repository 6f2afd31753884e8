"""Looks at Kafka that many share: each blocks a thread and costs the broker something, so one counts for a moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Generic, TypeVar

from mabos.kafka.errors import BrokerUnavailable

REMEMBER_S = 1.0
"""How long a look counts, what went wrong included."""

T = TypeVar("T")


class SharedLook(Generic[T]):
    """Something that is looked at in a thread; those who ask at once, or a moment later, share what was seen.

    Args:
        look: Looks; blocks. Never called twice at once.
        remember_s: How long what was seen counts.
        patience_s: How long one who asks waits; the look goes on for later ones. None for as long as it takes.
        executor: Where it runs; None for the event loop's own threads.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        look: Callable[[], T],
        *,
        remember_s: float = REMEMBER_S,
        patience_s: float | None = None,
        executor: Executor | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look, self._remember_s, self._patience_s = look, remember_s, patience_s
        self._executor, self._clock = executor, clock
        self._looking: asyncio.Task[T] | None = None
        self._looked_at = float("-inf")

    async def get(self) -> T:
        """What was seen.

        Raises:
            BrokerUnavailable: It takes longer than the patience.
            MabosError: Whatever the look raised.
        """
        looking = self._looking
        if looking is None or looking.cancelled() or (looking.done() and self._is_old()):
            looking = self._looking = asyncio.get_running_loop().create_task(self._look_now())
            looking.add_done_callback(_hear)
        if not looking.done():  # waited for, not awaited: one that leaves must not end it for the others
            await asyncio.wait({looking}, timeout=self._patience_s)
        if not looking.done():
            raise BrokerUnavailable(f"Kafka has not answered within {self._patience_s:g} s: try again in a moment")
        return looking.result()

    def _is_old(self) -> bool:
        return self._clock() >= self._looked_at + self._remember_s

    async def _look_now(self) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, self._look)
        finally:
            self._looked_at = self._clock()


def _hear(looked: asyncio.Task[T]) -> None:
    """What went wrong is known, also where nobody waited for it any more."""
    if not looked.cancelled():
        looked.exception()

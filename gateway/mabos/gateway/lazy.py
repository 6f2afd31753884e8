"""Parts that are made when what they need answers; until then the gateway runs, and says why it cannot."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from mabos.producers import ProducerStopped
from mabos.schemas.errors import MabosError

PAUSE_S = 1.0
"""How long after a failure the next attempt waits: requests come by the thousand."""

log = logging.getLogger("mabos.gateway")

T = TypeVar("T")


class Lazy(Generic[T]):
    """Makes a part when it is first needed, in a thread since that may block for seconds, and tries again later.

    Args:
        make: Makes it; raises a MabosError where it cannot yet.
        not_yet: What is raised while the first attempt takes longer than a caller waits.
        cannot: What cannot be done without it, for the log, such as ``tasks cannot be published yet``.
        patience_s: The longest that one caller waits for it to be made.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        make: Callable[[], T],
        not_yet: MabosError,
        cannot: str,
        *,
        patience_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make_part, self._not_yet, self._cannot = make, not_yet, cannot
        self._patience_s, self._clock = patience_s, clock
        self._part: T | None = None
        self._failure: MabosError | None = None
        self._again_at = 0.0
        self._attempt: asyncio.Task[None] | None = None
        self._stopped = False

    @property
    def made(self) -> T | None:
        """The part, if it is there."""
        return self._part

    async def get(self) -> T:
        """The part. Callers that come while it is being made share one attempt.

        Raises:
            MabosError: It cannot be made yet; says why.
            ProducerStopped: After :meth:`stop`.
        """
        if self._stopped:
            raise ProducerStopped("the gateway is stopping: send the request again in a moment, or to another one")
        if self._part is None:
            attempt = self.start()
            if attempt is not None:
                await asyncio.wait({attempt}, timeout=self._patience_s)
        if self._part is None:
            raise self._failure or self._not_yet
        return self._part

    def start(self) -> asyncio.Task[None] | None:
        """Begin to make the part, unless it is there, or just failed; returns the attempt under way."""
        if self._attempt is not None and not self._attempt.done():
            return self._attempt
        if self._part is not None or self._clock() < self._again_at:
            return None
        self._attempt = asyncio.get_running_loop().create_task(self._make())
        return self._attempt

    def drop(self, part: T) -> None:
        """Forget a part that has broken, so that the next who asks has it made anew."""
        if self._part is part:
            self._part = None

    async def end(self) -> T | None:
        """Make nothing more; returns the part, if there is one, once the attempt to make it has ended."""
        self._stopped = True
        if self._attempt is not None:
            await asyncio.wait({self._attempt})
        return self._part

    async def _make(self) -> None:
        try:
            self._part = await asyncio.to_thread(self._make_part)
        except MabosError as error:
            if self._failure is None or str(error) != str(self._failure):
                log.warning("%s: %s", self._cannot, error)
            self._failure, self._again_at = error, self._clock() + PAUSE_S
        else:
            if self._failure is not None:
                log.info("%s: that is over", self._cannot)
            self._failure = None

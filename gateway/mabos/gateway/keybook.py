"""The key book: all API keys in memory, read anew every few seconds.

So no request waits for the database, guessed ids do not reach it, and while it is away the keys that are known still
open.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from mabos.gateway.apikeys import ApiKey
from mabos.gateway.errors import Refused
from mabos.schemas.errors import MabosError

log = structlog.stdlib.get_logger("mabos.gateway")

REFRESH_S = 5.0
"""How old what is known may be: a key that was revoked opens for so long, at most, while the database answers."""
_RETRY_S = 1.0


class KeyBook:
    """Finds keys. The event loop owns it.

    Args:
        read: Reads all keys; called in a thread.
        clock_s: The monotonic clock.
    """

    def __init__(self, read: Callable[[], Sequence[ApiKey]], *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._read, self._clock_s = read, clock_s
        self._keys: Mapping[str, ApiKey] | None = None
        self._tried_s = -math.inf
        self._reading = asyncio.Lock()

    async def find(self, key_id: str) -> ApiKey | None:
        """The key with an id, as it was a few seconds ago at most; one that was just made is looked for once a second.

        Raises:
            Refused: 503, the keys were never read, for the database is away.
        """
        wait_s = REFRESH_S if self._keys is not None and key_id in self._keys else _RETRY_S
        if self._clock_s() - self._tried_s > wait_s:
            await self._refresh()
        if self._keys is None:
            raise Refused(503, "API keys cannot be read now: try again", headers={"Retry-After": "2"})
        return self._keys.get(key_id)

    async def _refresh(self) -> None:
        asked_s = self._clock_s()
        async with self._reading:
            if self._tried_s >= asked_s:
                return  # somebody else has, meanwhile
            try:
                self._keys = {key.id: key for key in await asyncio.to_thread(self._read)}
            except MabosError as error:
                log.warning("API keys cannot be read", cause=str(error))
            self._tried_s = self._clock_s()

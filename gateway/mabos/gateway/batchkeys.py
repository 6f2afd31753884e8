"""The ``Idempotency-Key`` of a batch: sent again, it is the same tasks, and what is stored is not published again.

Names that its tasks do not have come from the batch and the number of the item, so each is the same at every gateway.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid5

from mabos.gateway.claimstore import LEASE, Claim, Claimant, ClaimStore
from mabos.schemas.errors import MabosError

WHOLE = "batch"
"""What stands for the position of a batch each of whose items has its answer."""
_RENEW_S = LEASE.total_seconds() / 3

log = logging.getLogger("mabos.gateway")


class KeyedBatch:
    """The batch that a key stands for.

    Args:
        store: Where claims are kept.
        who: Whose key.
        claim: The claim, as it was got.
        positions: Where each item stands, by its place; None where that is not known.

    Attributes:
        is_whole: Whether each item has an answer that holds; set by whoever publishes the batch.
    """

    def __init__(self, store: ClaimStore, who: Claimant, claim: Claim, positions: list[str | None]) -> None:
        self._store, self._who, self._claim, self._batch = store, who, claim, UUID(claim.task_id)
        self._positions, self._over = positions, asyncio.Event()
        self.is_whole = False

    @property
    def is_replayed(self) -> bool:
        """Whether an earlier request has had an answer for each item."""
        return self._claim.position is not None

    def name(self, number: int) -> str:
        """The name of a task that has none; items are counted from 1."""
        return str(uuid5(self._batch, str(number)))

    def find(self, number: int) -> str | None:
        """Where an item stands; None if it is to be published."""
        return self._positions[number - 1]

    def note(self, number: int, position: str) -> None:
        """An item is stored."""
        self._positions[number - 1] = position

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """While the block lasts nobody else publishes the batch; then it is written down what is stored.

        Where it is not whole by then, the next who asks goes on at once.
        """
        if self.is_replayed:
            yield
            return
        renewing = asyncio.ensure_future(self._renew())
        try:
            yield
        finally:
            self._over.set()
            await renewing
            await self._keep()

    async def _renew(self) -> None:
        """A batch may take longer than a lease: its caller's rate may hold it up, or the broker."""
        while True:
            try:
                await asyncio.wait_for(self._over.wait(), _RENEW_S)
            except TimeoutError:
                pass
            else:
                return
            try:
                renewed = await self._store.renew(self._who, self._claim)
            except MabosError:
                continue  # the next time
            if renewed is None:
                return  # somebody else publishes it, too, under the same names
            self._claim = renewed

    async def _keep(self) -> None:
        try:
            await self._store.save_positions(self._claim.task_id, self._positions)
            if self.is_whole:
                await self._store.settle(self._who, self._claim, WHOLE)
            else:
                await self._store.give_up(self._who, self._claim, may_be_stored=True)
        except MabosError as error:  # what is stored is the answer; a repetition publishes it again
            log.warning("it is not kept what is stored of a batch with a key: %s", error)

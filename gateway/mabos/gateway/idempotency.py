"""``Idempotency-Key``: a request that is sent twice is one task, whichever gateway it comes to.

The key of a caller stands for its first task for a day. A request with the same key and the same task gets the same
answer; with another task it is refused. Where it is not known whether the task was published, since a gateway was
killed or Kafka did not acknowledge it, it is published again under the same name; a task that stands in the log twice
has one outcome.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

from mabos.gateway.batchkeys import KeyedBatch
from mabos.gateway.claimstore import LEASE, Claim, Claimant, ClaimStore, fingerprint_of
from mabos.gateway.errors import Refused
from mabos.gateway.metrics import Metrics
from mabos.gateway.models import NewTask, TaskAccepted
from mabos.schemas.errors import InvalidTask, MabosError
from mabos.schemas.fields import new_task_id, to_ms
from mabos.streams.errors import DatabaseRefused, DatabaseUnavailable

HEADER = "Idempotency-Key"
MAX_KEY_CHARS = 255
PATIENCE_S = 3 * LEASE.total_seconds()
"""How long a request waits for another with its key: longer than that one may take, unless more of them fail."""
_KEY = re.compile(rf"[\x20-\x7e]{{1,{MAX_KEY_CHARS}}}")
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 0.25

log = logging.getLogger("mabos.gateway")


def read_key(sent: Sequence[str]) -> str:
    """The key of a request.

    Args:
        sent: The values of its header.

    Raises:
        InvalidTask: It is empty, too long, holds more than printable ASCII, or is sent twice.
    """
    if len(sent) != 1:
        raise InvalidTask(HEADER, "must be sent once")
    if not _KEY.fullmatch(sent[0]):
        raise InvalidTask(HEADER, f"must be 1 to {MAX_KEY_CHARS} printable ASCII characters")
    return sent[0]


def fingerprint(task: NewTask) -> bytes:
    """What two requests for the same task have in common."""
    return fingerprint_of([task.task_id, task.agent_id, to_ms("deadline", task.deadline), task.payload])


class Idempotency:
    """Publishes tasks once for each key.

    Args:
        store: Where claims are kept.
        metrics: Where it is counted.
        clock_s: The monotonic clock.
    """

    def __init__(self, store: ClaimStore, metrics: Metrics, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._store, self._metrics, self._clock_s = store, metrics, clock_s

    async def claim(self, caller: str, key: str, task: NewTask) -> KeyedTask:
        """What a key stands for from now on. Waits while another request publishes the task.

        Args:
            caller: Whose key, by name.
            key: The key.
            task: The task that is asked for.

        Raises:
            Refused: 409, the key stands for another task; 503, the database is away, or the wait is too long.
        """
        who = Claimant(caller=caller, key=key)
        claim = await self._claim(who, fingerprint(task), task.task_id or new_task_id())
        return KeyedTask(self._store, who, claim)

    async def claim_batch(self, caller: str, key: str, items: Sequence[object]) -> KeyedBatch:
        """What a key stands for from now on. Waits while another request publishes the batch.

        Args:
            caller: Whose key, by name.
            key: The key.
            items: What is asked for, as JSON has it.

        Raises:
            Refused: 409, the key stands for something else; 503, the database is away, or the wait is too long.
        """
        who = Claimant(caller=caller, key=key)
        claim = await self._claim(who, fingerprint_of({"batch": items}), new_task_id())
        with self._explaining():
            known = [] if claim.is_new else await self._store.load_positions(claim.task_id)
        return KeyedBatch(self._store, who, claim, known or [None] * len(items))

    async def _claim(self, who: Claimant, asked: bytes, task_id: str) -> Claim:
        with self._explaining():
            claim = await self._take(who, asked, task_id)
        if claim is None:
            self._metrics.count_keyed("unavailable")
            raise Refused(
                503, f"another request with this {HEADER} is in hand: try again", headers={"Retry-After": "1"}
            )
        if not claim.is_same:
            self._metrics.count_keyed("conflict")
            raise Refused(409, f"this {HEADER} was sent with something else in the last day: give each request its own")
        self._metrics.count_keyed("first" if claim.position is None else "replayed")
        return claim

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        """A database that is away is no fault of the caller's, who may do without a key."""
        try:
            yield
        except (DatabaseUnavailable, DatabaseRefused) as error:
            self._metrics.count_keyed("unavailable")
            raise Refused(
                503,
                f"requests with an {HEADER} are not taken now, those without it are: {error}",
                headers={"Retry-After": "2"},
            ) from error

    async def _take(self, who: Claimant, asked: bytes, task_id: str) -> Claim | None:
        """The claim, once nobody else publishes its task; None if that takes too long."""
        until_s, pause_s = self._clock_s() + PATIENCE_S, _FIRST_PAUSE_S
        while True:
            claim = await self._store.take(who, asked, task_id)
            if not claim.is_same or claim.leased_until is not None or claim.position is not None:
                return claim
            if self._clock_s() >= until_s:
                return None
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


class KeyedTask:
    """The task that a key stands for."""

    def __init__(self, store: ClaimStore, who: Claimant, claim: Claim) -> None:
        self._store, self._who, self._claim = store, who, claim

    @property
    def task_id(self) -> str:
        """The task."""
        return self._claim.task_id

    @property
    def stored_at(self) -> str | None:
        """Where it stands since an earlier request; None if it has to be published."""
        return self._claim.position

    async def publish(self, publish: Callable[[], Awaitable[TaskAccepted]]) -> TaskAccepted:
        """Publish it, unless that was done before.

        Args:
            publish: Publishes it under its name.

        Raises:
            MabosError: As ``publish`` does.
        """
        if self._claim.position is not None:
            return TaskAccepted(task_id=self.task_id, position=self._claim.position)
        try:
            accepted = await publish()
        except MabosError as error:
            await self._give_up(may_be_stored=isinstance(error, Refused) and bool(error.members.get("may_be_stored")))
            raise
        try:
            position = await self._store.settle(self._who, self._claim, accepted.position)
        except MabosError as error:  # it is stored, so that is the answer; a repetition publishes it again
            log.warning("the position of a task with a key is not kept: %s", error)
            return accepted
        return accepted.model_copy(update={"position": position})

    async def _give_up(self, *, may_be_stored: bool) -> None:
        try:
            await self._store.give_up(self._who, self._claim, may_be_stored=may_be_stored)
        except MabosError as error:  # the lease ends by itself
            log.warning("a claim is not given up: %s", error)

"""The replays that this gateway is at work on: each in a thread, with another that tells the store how far it is.

A run holds its replay for a time only, which each beat prolongs. Where it cannot beat, for the database is away or the
process was frozen, it publishes nothing more once :data:`HOLD_S` is over; what is on its way by then has reached the
broker or failed before :data:`mabos.gateway.replaystore.GONE_S` is, when another gateway may go on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from confluent_kafka import KafkaException

from mabos.consumers.history import find_reach
from mabos.consumers.inspection import Inspection
from mabos.consumers.plans import ReplayPlan
from mabos.consumers.replays import HistoryReplay
from mabos.consumers.reprocessing import Reprocessing
from mabos.gateway.replaymodels import NewReplay
from mabos.gateway.replaystore import GONE_S, Ended, Hold, Pulse, ReplayRow, ReplayStore, State
from mabos.kafka.clients import open_registry
from mabos.kafka.settings import Settings
from mabos.schemas.errors import MabosError

BEAT_S = 1.0
"""How often a run tells how far it is."""
HOLD_S = 8.0
"""How long a beat lets it publish."""
_QUEUE_FULL_S, _PUBLISH_S = 5.0, 10.0  # with HOLD_S less than GONE_S: a task handed over may take so long
_MAX_ROWS = 200
_MAX_REMARKS = 100

log = logging.getLogger("mabos.gateway")


class ReplayRun:
    """Works on a replay, once: counts it, or publishes it.

    Args:
        settings: Where Kafka is; of the replay's queue.
        store: Where it stands; this run holds it there.
        hold: Which, and who. Make the run first, then take the hold, since the time that it may publish begins here.
    """

    def __init__(self, settings: Settings, store: ReplayStore, hold: Hold) -> None:
        self._settings = settings.model_copy(
            update={
                "queue_full_timeout_s": min(settings.queue_full_timeout_s, _QUEUE_FULL_S),
                "publish_timeout_s": min(settings.publish_timeout_s, _PUBLISH_S),
            }
        )
        self._store, self._hold = store, hold
        self._replay: HistoryReplay[Any] | None = None
        self._begun_s = 0.0
        self._held_until_s = time.monotonic() + HOLD_S
        self._stopping, self._over = threading.Event(), threading.Event()

    def count(self, wanted: NewReplay) -> None:
        """Settle what is read, and count it."""
        self._run(lambda: self._count(wanted))

    def publish(self, row: ReplayRow) -> None:
        """Publish what was counted, but for what stands in the log already."""
        self._run(lambda: self._publish(row))

    def stop(self) -> None:
        """Have it end soon, in order; from any thread."""
        self._stopping.set()
        if self._replay is not None:
            self._replay.stop()

    @property
    def pulse(self) -> Pulse:
        """How far it is; from any thread."""
        replay = self._replay
        if replay is None:
            return Pulse()
        now, spent_s, published = replay.progress, time.monotonic() - self._begun_s, None
        if now.unit == "tasks" and isinstance(replay, Reprocessing) and replay.found is not None:
            published = replay.found + now.done
        return Pulse(
            done=now.done if published is None else published,
            total=now.total,
            unit=now.unit,
            speed_per_s=round(now.done / spent_s, 1) if spent_s > 0 else None,
            published=published,
        )

    def _run(self, work: Callable[[], Ended]) -> None:
        beating = threading.Thread(target=self._beat, name="mabos-replay-beat", daemon=True)
        beating.start()
        try:
            ended = work()
        except MabosError as error:
            ended = self._end("failed", error=str(error))
        except KafkaException as error:
            ended = self._end("failed", error=f"Kafka: {error.args[0].str()}")
        except Exception:
            log.exception("replay %s failed", self._hold.replay_id)
            ended = self._end("failed", error="something unexpected went wrong: the log of the gateway tells what")
        self._over.set()
        beating.join()
        self._settle(ended)

    def _count(self, wanted: NewReplay) -> Ended:
        selection = wanted.to_selection()
        plan = ReplayPlan(
            queue=self._settings.queue,
            selection=selection,
            reach=find_reach(self._settings, selection),
            replay_id=self._hold.replay_id,
            deadlines=wanted.deadlines,
            takes_replays=wanted.replays,
        )
        self._store.save_plan(self._hold, plan.to_json())
        registry = open_registry(self._settings)
        if wanted.kind == "inspect":
            inspected = self._begin(Inspection(self._settings, registry, selection, plan.reach)).run()
            found = {(action, status or "unanswered"): number for (action, status), number in inspected.tasks.items()}
            state: State = "done" if inspected.is_whole else "stopped"
            return self._end(state, counts=_show(found), remarks=inspected.remarks)
        counted = self._begin(Reprocessing(self._settings, registry, plan, is_dry=True)).run()
        if not counted.is_whole:  # nobody shall take a part for the whole
            return self._end("stopped", remarks=counted.remarks)
        would: dict[tuple[str | None, str | None], int] = {
            (action, None): number for action, number in counted.tasks.items()
        }
        return self._end("ready", counts=_show(would, counted.replays), remarks=counted.remarks)

    def _publish(self, row: ReplayRow) -> Ended:
        plan = ReplayPlan.from_json(row.plan or {})
        replay = Reprocessing(
            self._settings, open_registry(self._settings), plan, rate=row.rate_per_s, expected=row.total
        )
        replay.publish_while(self._may_publish)
        published = self._begin(replay).run()
        return self._end("done" if published.is_whole else "stopped", remarks=published.remarks)

    def _begin(self, replay: HistoryReplay[Any]) -> Any:  # noqa: ANN401 - the replay, of its own kind
        self._begun_s, self._replay = time.monotonic(), replay
        if self._stopping.is_set():  # while nobody could hear it
            replay.stop()
        return replay

    def _end(self, state: State, *, remarks: Iterable[str] = (), **more: Any) -> Ended:  # noqa: ANN401 - as Ended has it
        return Ended(state=state, pulse=self.pulse, remarks=tuple(map(_clean, remarks))[:_MAX_REMARKS], **more)

    def _may_publish(self) -> bool:
        return time.monotonic() < self._held_until_s

    def _beat(self) -> None:
        is_deaf = False
        while not self._over.wait(BEAT_S):
            begun_s = time.monotonic()
            try:
                wants_stop = self._store.beat(self._hold, self.pulse)
            except MabosError as error:
                if not is_deaf:
                    log.warning("how far replay %s is cannot be told: %s", self._hold.replay_id, error)
                is_deaf = True
                continue
            is_deaf = False
            if wants_stop is None or wants_stop:
                self.stop()
            if wants_stop is not None:
                self._held_until_s = begun_s + HOLD_S

    def _settle(self, ended: Ended) -> None:
        """Keep how it ended. Where the store stays away it is interrupted, which is true as well."""
        until_s = self._held_until_s + GONE_S
        while True:
            try:
                self._store.end(self._hold, ended)
            except MabosError as error:
                if time.monotonic() > until_s or self._stopping.wait(BEAT_S):
                    log.warning("how replay %s ended is not kept: %s", self._hold.replay_id, error)
                    return
            else:
                return


def _show(found: dict[tuple[str | None, str | None], int], passed_over: int = 0) -> dict[str, Any]:
    """Counts in their JSON shape, bounded: agents may have any number of actions."""
    rows: Counter[tuple[str | None, str | None]] = Counter()
    for (action, outcome), number in found.items():
        rows[None if action is None else _clean(action), outcome] += number
    shown = [
        {"action": action, "outcome": outcome, "tasks": number}
        for (action, outcome), number in rows.most_common(_MAX_ROWS)
    ]
    return {"tasks": rows.total(), "rows": shown, "passed_over": passed_over}


def _clean(text: str) -> str:
    """A text as PostgreSQL takes it."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()

"""Replays as jobs: made, shown, applied and stopped, whichever gateway runs them; a few of them run here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from uuid import uuid4

from mabos.gateway.errors import Refused
from mabos.gateway.principals import Principal
from mabos.gateway.replaymodels import NewReplay
from mabos.gateway.replayruns import ReplayRun
from mabos.gateway.replaystore import Hold, ReplayRow, ReplayStore
from mabos.kafka.settings import Settings
from mabos.schemas.fields import new_task_id

MAX_RUNS = 2
"""How many replays one gateway works on at a time: each reads as fast as it can, beside everybody's requests."""
STOP_TIMEOUT_S = 12.0
"""How long runs may take to end in order when the gateway stops."""


class ReplayJobs:
    """The replays of a queue. Each call blocks, for the database. A caller sees what it may reach, and nothing else.

    All of them raise ``DatabaseUnavailable`` where the database does not answer.

    Args:
        settings: Where Kafka and the database are, and the queue.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self._store = settings, ReplayStore(settings)
        self._lock = threading.Lock()
        self._runs: dict[Hold, tuple[ReplayRun, threading.Thread]] = {}
        self._is_stopped = False

    def create(self, wanted: NewReplay, caller: Principal) -> ReplayRow:
        """Make a replay, and begin to look, or to count what it would publish.

        Raises:
            InvalidSelection: It could never select anything.
            Refused: 403, it takes tasks of agents that the caller may not reach; 429, too many run here.
        """
        wanted.to_selection()
        if not caller.reaches_all:
            if wanted.agent_id is None:
                raise Refused(403, f"{caller.name} may not reach all agents: say agent_id, one of its own")
            caller.require_agent(wanted.agent_id)
        hold = Hold(replay_id=new_task_id(), holder=str(uuid4()))

        def take() -> ReplayRow:
            shape = wanted.model_dump(mode="json")
            return self._store.insert(hold, shape, kind=wanted.kind, created_by=caller.name)

        return self._begin(hold, take, lambda run, _: run.count(wanted))

    def list(self, caller: Principal) -> list[ReplayRow]:
        """The replays that a caller may see, newest first."""
        return [row for row in self._store.list() if _may_see(caller, row)]

    def find(self, replay_id: str, caller: Principal) -> ReplayRow:
        """A replay.

        Raises:
            Refused: 404, there is none that the caller may see.
        """
        row = self._store.find(replay_id)
        if row is None or not _may_see(caller, row):
            raise Refused(404, f"there is no replay {replay_id}: old ones are forgotten")
        return row

    def apply(self, replay_id: str, caller: Principal) -> ReplayRow:
        """Begin to publish what a replay has counted, or go on.

        Raises:
            Refused: 404, as :meth:`find`; 409, it cannot be applied; 429, too many run here.
        """
        self.find(replay_id, caller)
        hold = Hold(replay_id=replay_id, holder=str(uuid4()))

        def take() -> ReplayRow:
            held = self._store.hold(hold)
            if held is None:
                raise Refused(409, _why_not(self.find(replay_id, caller)))
            return held

        return self._begin(hold, take, lambda run, row: run.publish(row))

    def stop(self, replay_id: str, caller: Principal) -> ReplayRow:
        """Have a replay stop, wherever it runs.

        Raises:
            Refused: 404, as :meth:`find`; 409, it does not run.
        """
        self.find(replay_id, caller)
        row = self._store.ask_stop(replay_id)
        if row is None:
            state = self.find(replay_id, caller).state
            raise Refused(409, f"replay {replay_id} does not run: it is {state}")
        with self._lock:
            mine = [run for hold, (run, _) in self._runs.items() if hold.replay_id == replay_id]
        for run in mine:  # now, not at its next beat
            run.stop()
        return row

    def stop_all(self) -> None:
        """Have all that run here end in order, and begin no more."""
        with self._lock:
            self._is_stopped = True
            runs = [run for run, _ in self._runs.values()]
        for run in runs:
            run.stop()

    def close(self) -> None:
        """:meth:`stop_all`, and wait until they have ended."""
        self.stop_all()
        until_s = time.monotonic() + STOP_TIMEOUT_S
        for _, thread in list(self._runs.values()):
            if thread.ident is not None:
                thread.join(max(0.0, until_s - time.monotonic()))

    def _begin(
        self, hold: Hold, take: Callable[[], ReplayRow], work: Callable[[ReplayRun, ReplayRow], None]
    ) -> ReplayRow:
        """Begin a run, if there is room, once it holds its replay."""
        run = ReplayRun(self._settings, self._store, hold)
        begun = threading.Event()
        held: list[ReplayRow] = []

        def go() -> None:
            begun.wait()
            try:
                for row in held:
                    work(run, row)
            finally:
                self._forget(hold)

        thread = threading.Thread(target=go, name="mabos-replay", daemon=True)
        with self._lock:
            if self._is_stopped:
                raise Refused(503, "the gateway is stopping: send the request again", headers={"Retry-After": "1"})
            if len(self._runs) >= MAX_RUNS:
                raise Refused(
                    429,
                    f"this gateway runs {MAX_RUNS} replays already: try again when one has ended",
                    headers={"Retry-After": "5"},
                )
            self._runs[hold] = run, thread
            thread.start()
        try:
            held.append(take())
        except BaseException:
            self._forget(hold)
            raise
        finally:
            begun.set()
        return held[0]

    def _forget(self, hold: Hold) -> None:
        with self._lock:
            self._runs.pop(hold, None)


def _may_see(caller: Principal, row: ReplayRow) -> bool:
    agent_id = row.wanted["agent_id"]
    return caller.reaches_all or (agent_id is not None and caller.may_reach(agent_id))


def _why_not(row: ReplayRow) -> str:
    if row.kind == "inspect":
        return f"replay {row.replay_id} is an inspection: there is nothing to apply"
    if row.state in ("counting", "running", "done"):
        return f"replay {row.replay_id} cannot be applied: it is {row.state}"
    return f"replay {row.replay_id} is {row.state}, and never counted what it would publish: make a new one"

"""What a worker counts while it works: plain numbers, each written by one thread, read by whoever asks.

A worker handles up to 80,000 tasks a second, so a note is some additions and no lock. When somebody scrapes,
:mod:`mabos.consumers.families` turns the numbers into Prometheus families; a scrape in the midst of a note may see a
count without its sum, and the next one sees both.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from mabos.schemas.events import Status

RebalanceKind = Literal["assigned", "revoked", "lost"]

OTHER: Final = "other"
"""The label of all that has none of its own: actions without a handler of their own, codes beyond :data:`MAX_CODES`."""
MAX_CODES: Final = 32
"""How many codes of dead letters are told apart; the project has about twenty."""
BUCKETS_S: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0),
)
"""Upper bounds of the histograms' buckets in seconds: half a millisecond to ten minutes, and one more for all above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """How much a worker has in its hands at one moment."""

    tasks_in_hand: int = 0
    """Tasks whose handler runs, or whose answer is being written."""
    tasks_waiting: int = 0
    """Tasks read and not begun, and those that wait for another attempt."""
    deepest_lane_tasks: int = 0
    """How many tasks wait in the fullest lane."""
    oldest_waiting_s: float = 0.0
    """How long the task that waits longest has been in the log, in seconds; 0 when none waits."""
    lag_records: Mapping[int, int] = field(default_factory=dict)
    """By assigned partition, how many records stand after the committed offset; nobody changes it any more."""
    partitions_assigned: int = 0
    """How many partitions the group has given to this worker."""
    held_bytes: int = 0
    """Bytes of the records read and not done."""
    unacknowledged_records: int = 0
    """Records handed to the publisher that the broker has not acknowledged."""


class Histogram:
    """Counts of durations. One thread observes.

    Attributes:
        counts: How many fell into each bucket of :data:`BUCKETS_S`, not cumulated; last, those above all.
        sum_s: Their sum in seconds.
    """

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_S) + 1)
        self.sum_s = 0.0

    def observe(self, seconds: float) -> None:
        """Count a duration; a negative one, as clocks that differ give, counts as none at all."""
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        if seconds > 0:
            self.sum_s += seconds


class ActionCounts:
    """What became of the tasks of one action. The engine thread writes.

    Attributes:
        answered: How many were answered, by terminal status.
        waits: From the request's append to the log to the begin of the attempt that answered it.
        runs: How long the handler ran, where one did.
        retries: Attempts that failed and were to be followed by another.
    """

    __slots__ = ("answered", "retries", "runs", "waits")

    def __init__(self) -> None:
        self.answered = {status.value: 0 for status in Status if status.is_terminal}
        self.waits = Histogram()
        self.runs = Histogram()
        self.retries = 0


class WorkerMetrics:
    """The counts of one worker.

    Args:
        actions: The actions that have a handler of their own. All others are counted together as ``other``, so that
            foreign payloads cannot add labels.
        look: Gives what is in hand now. It is called on the thread that scrapes, and must not wait.

    Attributes:
        by_action: The counts of each action, and of ``other``.
        commits: Commits that the broker took, and did not take.
        rebalances: Changes of the assignment, by kind.
        moved_partitions: Partitions that those changes brought or took, by kind.
        ledger_records: Responses read to learn which tasks have their outcome already.
        ledger_reads: How long each such reading took.
        redelivered_tasks: Tasks skipped because they had their outcome.
        dead_letters: Dead letters by code.
    """

    def __init__(self, actions: Iterable[str], look: Callable[[], Snapshot]) -> None:
        self.look = look
        self.by_action = {action: ActionCounts() for action in (*actions, OTHER)}
        self._others = self.by_action[OTHER]
        self.commits = {"taken": 0, "refused": 0}
        self.rebalances: dict[str, int] = dict.fromkeys(get_args(RebalanceKind), 0)
        self.moved_partitions: dict[str, int] = dict.fromkeys(get_args(RebalanceKind), 0)
        self.ledger_records = 0
        self.ledger_reads = Histogram()
        self.redelivered_tasks = 0
        self.dead_letters: dict[str, int] = {}

    def note_task(self, action: str | None, status: Status, waited_s: float, ran_s: float | None) -> None:
        """A task is answered; the engine thread calls it.

        Args:
            action: That of the handler; None or a foreign one counts as ``other``.
            status: The outcome.
            waited_s: From the request's append to the log until this attempt began.
            ran_s: How long the handler ran; None where none did.
        """
        counts = self.by_action.get(action, self._others)  # type: ignore[arg-type]  # None is no key, and is not found
        counts.answered[status._value_] += 1  # an enum's own hash takes as long as all the rest
        waits = counts.waits  # written out, not observe(): two calls would cost as much as all the rest
        waits.counts[bisect_left(BUCKETS_S, waited_s)] += 1
        if waited_s > 0:
            waits.sum_s += waited_s
        if ran_s is not None:
            runs = counts.runs
            runs.counts[bisect_left(BUCKETS_S, ran_s)] += 1
            if ran_s > 0:
                runs.sum_s += ran_s

    def note_retry(self, action: str | None) -> None:
        """An attempt failed, and there shall be another; the engine thread calls it."""
        self.by_action.get(action, self._others).retries += 1  # type: ignore[arg-type]  # as in note_task

    def note_commit(self, taken: bool) -> None:
        """The broker took a commit, or did not; the reader thread calls it."""
        self.commits["taken" if taken else "refused"] += 1

    def note_rebalance(self, kind: RebalanceKind, partitions: int) -> None:
        """The group gave or took partitions; the reader thread calls it."""
        self.rebalances[kind] += 1
        self.moved_partitions[kind] += partitions

    def note_ledger_read(self, records: int, took_s: float) -> None:
        """The outcomes of partitions just assigned were read; the thread that reads them calls it."""
        self.ledger_records += records
        self.ledger_reads.observe(took_s)

    def note_redelivered(self, count: int) -> None:
        """So many tasks were skipped, for they have their outcome; the engine thread calls it."""
        self.redelivered_tasks += count

    def note_dead_letter(self, code: str) -> None:
        """A dead letter is on its way; the engine thread calls it."""
        if code not in self.dead_letters and len(self.dead_letters) >= MAX_CODES:
            code = OTHER
        self.dead_letters[code] = self.dead_letters.get(code, 0) + 1

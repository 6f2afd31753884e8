"""What a batch of records makes of the rows of the view. Pure.

The records of requests, responses and controls come in any order and in any batches, those of one partition in its own.
Whatever the order, the rows are the same: of requests and outcomes the first counts, of progress the last, by partition
and offset.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from mabos.schemas.events import TaskControl, TaskRequest, TaskResponse, Verb
from mabos.streams.histogram import bucket_of
from mabos.streams.places import Place
from mabos.streams.references import NAMES, PARENT, REDRIVE_OF, REPLAY_OF, HeadersRead, Reference, read_references

Key = tuple[str, str]
"""A task: its ``task_id`` and its ``agent_id``."""

MAX_ACTION_CHARS = 255
OUTCOMES = ("completed", "failed", "rejected", "cancelled", "expired", "timed_out")
_MINUTE_MS = 60_000


@dataclass(slots=True)
class Entry:
    """An event and where it stands in the log."""

    event: TaskRequest | TaskResponse | TaskControl
    place: Place
    offset: int
    at_ms: int
    """When it was appended, in ms since the epoch."""
    headers: HeadersRead | None = None

    @property
    def key(self) -> Key:
        """The task that it is about."""
        return self.event.task_id, self.event.agent_id


@dataclass(slots=True)
class TaskRow:
    """A row of ``tasks``; its fields are the columns, times in ms since the epoch.

    ``payload``, ``result`` and ``progress`` are None when they are as they were: they are large, and not read back.
    """

    task_id: str
    agent_id: str
    requested_at_ms: int
    request_partition: int | None = None
    request_offset: int | None = None
    deadline_ms: int | None = None
    action: str | None = None
    duplicates: int = 0
    parent: Reference | None = None
    replay_of: Reference | None = None
    redrive_of: Reference | None = None
    response_partition: int | None = None
    response_offset: int | None = None
    answered_at_ms: int | None = None
    status: str | None = None
    superseded: int = 0
    attempt: int | None = None
    started_at_ms: int | None = None
    error_code: str | None = None
    error_message: str | None = None
    error_retryable: bool | None = None
    progress_partition: int | None = None
    progress_offset: int | None = None
    progress_at_ms: int | None = None
    cancel_requested_at_ms: int | None = None
    cancel_reason: str | None = None
    payload: str | None = None
    result: str | None = None
    progress: str | None = None

    @property
    def state(self) -> str:
        """What has become of the task so far."""
        if self.status is not None:
            return self.status
        if self.progress_offset is not None:
            return "in_progress"
        return "unasked" if self.request_offset is None else "queued"

    @property
    def is_complete(self) -> bool:
        """Whether both its request and its outcome are known."""
        return self.request_offset is not None and self.response_offset is not None

    def add(self, entry: Entry) -> None:
        """Take in what an event says."""
        event = entry.event
        if type(event) is TaskRequest:
            self._ask(event, entry)
            return
        if self.request_offset is None:
            self.requested_at_ms = min(self.requested_at_ms, entry.at_ms)
        if type(event) is TaskResponse:
            if event.status.is_terminal:
                self._end(event, entry)
            else:
                self._go_on(event, entry)
        elif type(event) is TaskControl and event.verb is Verb.CANCEL:
            self._cancel(event, entry)

    def _ask(self, request: TaskRequest, entry: Entry) -> None:
        if self.request_offset is not None:
            self.duplicates += 1
            if (entry.place.partition, entry.offset) > (self.request_partition, self.request_offset):
                return
        self.request_partition, self.request_offset = entry.place.partition, entry.offset
        self.requested_at_ms, self.deadline_ms = entry.at_ms, request.deadline_ms
        self.payload, self.action = as_text(request.payload_json), read_action(request.payload_json)
        headers = entry.headers
        if headers and not NAMES.isdisjoint(name for name, _ in headers):
            found = read_references(headers)
            self.parent, self.replay_of = found.get(PARENT), found.get(REPLAY_OF)
            self.redrive_of = found.get(REDRIVE_OF)

    def _end(self, response: TaskResponse, entry: Entry) -> None:
        if self.response_offset is not None:
            self.superseded += 1
            if (entry.place.partition, entry.offset) > (self.response_partition, self.response_offset):
                return
        self.response_partition, self.response_offset = entry.place.partition, entry.offset
        self.answered_at_ms, self.status = entry.at_ms, response.status.value
        self.attempt, self.started_at_ms = response.attempt, response.started_at_ms
        self.result, error = as_text(response.result_json), response.error
        self.error_code = None if error is None else as_text(error.code)
        self.error_message = None if error is None else as_text(error.message)
        self.error_retryable = None if error is None else error.retryable

    def _go_on(self, response: TaskResponse, entry: Entry) -> None:
        last = self.progress_partition, self.progress_offset
        if self.progress_offset is not None and (entry.place.partition, entry.offset) < last:
            return
        self.progress_partition, self.progress_offset = entry.place.partition, entry.offset
        self.progress_at_ms, self.progress = entry.at_ms, as_text(response.result_json)
        if self.status is None:
            self.attempt, self.started_at_ms = response.attempt, response.started_at_ms

    def _cancel(self, control: TaskControl, entry: Entry) -> None:
        if self.cancel_requested_at_ms is None or entry.at_ms < self.cancel_requested_at_ms:
            self.cancel_requested_at_ms, self.cancel_reason = entry.at_ms, as_text(control.reason)


MinuteKey = tuple[str, str, int]
"""``agent_id``, action, and the minute in ms since the epoch."""


@dataclass(slots=True)
class MinuteRow:
    """What is to be added to a row of ``agent_minutes``."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("requested", *OUTCOMES), 0))
    wait_ms_sum: int = 0
    run_ms_sum: int = 0
    wait_counts: list[int] = field(default_factory=list)
    run_counts: list[int] = field(default_factory=list)

    def add_outcome(self, row: TaskRow) -> None:
        """Count the outcome of a task of which everything is known."""
        self.counts[row.state] += 1
        if row.started_at_ms is None or row.answered_at_ms is None:
            return
        wait_ms = max(0, row.started_at_ms - row.requested_at_ms)  # two clocks: the worker's may be behind
        run_ms = max(0, row.answered_at_ms - row.started_at_ms)
        self.wait_ms_sum += wait_ms
        self.run_ms_sum += run_ms
        _count(self.wait_counts, bucket_of(wait_ms))
        _count(self.run_counts, bucket_of(run_ms))


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a batch changes."""

    rows: list[TaskRow]
    """The rows as they are now."""
    minutes: dict[MinuteKey, MinuteRow]
    """What is to be added to the minutes."""
    states: dict[tuple[str, str], int]
    """How many tasks more an agent has in a state, or less, if not as many; by ``agent_id`` and state."""


def fold(entries: Iterable[Entry], found: Mapping[Key, TaskRow]) -> Changes:
    """What a batch makes of the rows that there are.

    Args:
        entries: The events, those of one partition in the order of its log.
        found: The rows of their tasks, as far as there are any; they are changed.
    """
    asked = {key for key, row in found.items() if row.request_offset is not None}
    complete = {key for key, row in found.items() if row.is_complete}
    before = {key: row.state for key, row in found.items()}
    rows: dict[Key, TaskRow] = {}
    for entry in entries:
        key = entry.key
        row = rows.get(key)
        if row is None:
            row = rows[key] = found.get(key) or TaskRow(*key, entry.at_ms)
        row.add(entry)
    minutes: dict[MinuteKey, MinuteRow] = {}
    states: Counter[tuple[str, str]] = Counter()
    for key, row in rows.items():
        agent_id, old, new = key[1], before.get(key), row.state
        if old != new:
            states[agent_id, new] += 1
            if old is not None:
                states[agent_id, old] -= 1
        if row.request_offset is not None and key not in asked:
            _minute(minutes, row, row.requested_at_ms).counts["requested"] += 1
        if row.answered_at_ms is not None and row.is_complete and key not in complete:
            _minute(minutes, row, row.answered_at_ms).add_outcome(row)
    changed = {key: number for key, number in states.items() if number}
    return Changes(rows=list(rows.values()), minutes=minutes, states=changed)


def read_action(payload_json: str) -> str | None:
    """The action of a payload, cut to what an index takes; None where it is no text, or the payload no object."""
    try:
        payload: Any = orjson.loads(payload_json)
    except orjson.JSONDecodeError:
        return None
    action = payload.get("action") if type(payload) is dict else None
    if type(action) is not str:
        return None
    return as_text(action[:MAX_ACTION_CHARS])


def as_text(text: str) -> str:
    """The text as PostgreSQL takes it: without NUL, which its texts cannot hold."""
    return text.replace("\x00", "\ufffd") if "\x00" in text else text


def _minute(minutes: dict[MinuteKey, MinuteRow], row: TaskRow, at_ms: int) -> MinuteRow:
    key = row.agent_id, row.action or "", at_ms - at_ms % _MINUTE_MS
    found = minutes.get(key)
    if found is None:
        found = minutes[key] = MinuteRow()
    return found


def _count(counts: list[int], bucket: int) -> None:
    missing = bucket + 1 - len(counts)
    if missing > 0:
        counts.extend([0] * missing)
    counts[bucket] += 1

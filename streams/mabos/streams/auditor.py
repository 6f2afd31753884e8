"""The auditor: reads a queue's topics up to where they end now, and tells whether the promises hold.

It reads without a consumer group and changes nothing. Memory does not grow with the number of tasks: what it must note
of them goes to a temporary file (see :mod:`mabos.streams.spill`), about 120 bytes each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from math import inf
from typing import Any

from confluent_kafka import Message

from mabos.consumers.log import read_log
from mabos.kafka.admin import Cluster
from mabos.kafka.clients import open_registry
from mabos.kafka.headers import headers_of
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas.codec import REQUEST, RESPONSE, Codec
from mabos.schemas.errors import DecodeError
from mabos.schemas.registry import SchemaRegistry
from mabos.streams.audit import ASKED, NO_DEADLINE, Entry, Finding, Scope, Tally, kind_of
from mabos.streams.burials import buried, find_lost, unreadable
from mabos.streams.gaps import Gap, Gaps, count_within, span
from mabos.streams.letter_rows import find_origin
from mabos.streams.matching import Progress, match
from mabos.streams.report import AuditReport, Findings, TopicCounts
from mabos.streams.spill import Spill, require_space

_BUCKET_TASKS = 20_000
_MAX_BUCKETS = 4096
_REPORT_RECORDS = 1000
_FETCH_BYTES = 131_072
_LEDGER_WINDOW = 10_000  # the outcome of a task that was asked again may stand so many responses before its request


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRange:
    """What is audited: by default all there is, and all of it must be answered by now."""

    since_ms: int | None = None
    """Requests stored from then on, in ms since the epoch."""
    until_ms: int | None = None
    """Requests stored before then; responses are read to the end."""
    partitions: Container[int] | None = None
    """These partitions of the requests and of the responses; None for all."""
    tasks: Container[tuple[str, str]] | None = None
    """These tasks, each an agent and a task id; None for all."""
    grace_s: float = 0.0
    """A request is open for so long, also after its deadline."""
    group: str | None = None
    """The workers' consumer group: what it has not committed is open."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """What is read of one topic."""

    topic: str
    oldest: Mapping[int, int]
    begin: Mapping[int, int]
    end: Mapping[int, int]
    is_compacted: bool

    @property
    def offsets(self) -> int:
        return sum(max(0, end - self.begin[partition]) for partition, end in self.end.items())


class Auditor:
    """Audits one queue, once.

    Args:
        settings: Of the queue.
        registry: Where writer schemas are looked up; the registry of the settings by default.
        asked: What is audited.
        keep: How many positions of each finding the report has; None for all, which takes memory for each.
        on_found: Called with each finding.
        on_progress: Called every now and then.
        bucket_tasks: About how many tasks are matched in memory at a time.
    """

    def __init__(
        self,
        settings: Settings,
        registry: SchemaRegistry | None = None,
        *,
        asked: AuditRange | None = None,
        keep: int | None = None,
        on_found: Callable[[Finding, Position], None] | None = None,
        on_progress: Progress = lambda _step, _done, _total: None,
        bucket_tasks: int = _BUCKET_TASKS,
    ) -> None:
        self._settings, self._asked = settings, asked or AuditRange()
        self._registry = registry or open_registry(settings)
        self._queue = Queue(name=settings.queue)
        self._findings = Findings(self._queue.requests, self._queue.responses, keep=keep, on_found=on_found)
        self._on_progress, self._bucket_tasks = on_progress, bucket_tasks
        self._counts: dict[str, TopicCounts] = {}
        self._first_ms: dict[int, int] = {}  # the time of the oldest response that was read, by partition

    def run(self) -> AuditReport:
        """Read, match, and tell.

        Raises:
            BrokerUnavailable: No broker answers, or it stopped giving records.
            TopicsDiffer: There is no such queue.
            UnknownGroup: There is no such consumer group.
            RegistryError: Schemas cannot be looked up.
            DiskProblem: There is no room for the temporary file.
        """
        now_ms = time.time_ns() // 1_000_000
        cluster = Cluster(self._settings)
        waiting = {} if self._asked.group is None else self._find_waiting(cluster, self._asked.group)
        # The end of the responses is looked up first: then each of their requests stands before that of the requests.
        responses = self._find_stretch(cluster, self._queue.responses, until_ms=None, reach_back=_LEDGER_WINDOW)
        requests = self._find_stretch(cluster, self._queue.requests, until_ms=self._asked.until_ms)
        require_space(max(requests.offsets, responses.offsets))
        buckets = min(_MAX_BUCKETS, 1 + max(requests.offsets, responses.offsets) // self._bucket_tasks)
        with Spill(buckets) as spill, Spill(buckets) as burials:
            for entry in self._read_requests(requests, burials):
                spill.add(entry)
            for entry in self._read_responses(responses):
                spill.add(entry)
            scope = self._find_scope(now_ms, waiting, requests, responses)
            tally = match(spill, scope, self._findings.take, self._on_progress)
            if self._counts[requests.topic].unreadable and self._asked.tasks is None:  # else there is nobody to bury
                self._match_letters(cluster, burials, scope, tally)
            return self._findings.report(tally, self._counts)

    def _match_letters(self, cluster: Cluster, burials: Spill, scope: Scope, tally: Tally) -> None:
        """Find the requests that hold no event and have no dead letter, either."""
        letters = self._find_stretch(cluster, self._queue.dead_letters, until_ms=None, reach_back=_LEDGER_WINDOW)
        first_ms: dict[int, int] = {}
        for message in self._read_all(letters, "reading dead letters"):
            partition, at_ms = message.partition() or 0, message.timestamp()[1]
            first_ms.setdefault(partition, at_ms)
            origin = find_origin(headers_of(message))
            if origin is not None and origin.topic == self._queue.requests:
                burials.add(buried(origin.partition, origin.offset, at_ms))
        letters_scope = replace(scope, answers_since_ms=_find_first(letters, first_ms))
        for entries in burials.buckets():
            for found in find_lost(entries, letters_scope, tally):
                self._findings.take(found)

    def _find_waiting(self, cluster: Cluster, group: str) -> dict[int, int]:
        cluster.describe_group(group)  # says so if there is none; its offsets would just be missing
        nothing_yet = cluster.begin_offsets(self._queue.requests)
        return nothing_yet | cluster.committed_offsets(group).get(self._queue.requests, {})

    def _find_stretch(self, cluster: Cluster, topic: str, *, until_ms: int | None, reach_back: int = 0) -> _Stretch:
        end, wanted = cluster.end_offsets(topic), self._asked.partitions
        oldest = cluster.begin_offsets(topic)
        begin = oldest
        if self._asked.since_ms is not None:
            found = end | cluster.offsets_at(topic, dict.fromkeys(end, self._asked.since_ms))
            begin = {partition: max(offset, found[partition] - reach_back) for partition, offset in oldest.items()}
        if until_ms is not None:
            end |= cluster.offsets_at(topic, dict.fromkeys(end, until_ms))
        if wanted is not None:
            end = {partition: offset for partition, offset in end.items() if partition in wanted}
        policy = cluster.describe_topics([topic])[topic].config.get("cleanup.policy", "")
        return _Stretch(topic, oldest, begin, end, is_compacted="compact" in policy)

    def _read_requests(self, stretch: _Stretch, burials: Spill) -> Iterator[Entry]:
        codec = Codec.for_topic(REQUEST, stretch.topic, self._registry)
        for event, at_ms, offset, partition in self._read(stretch, codec, "reading requests", burials):
            deadline_ms = NO_DEADLINE if event.deadline_ms is None else event.deadline_ms
            yield _key(event.agent_id, event.task_id), deadline_ms, at_ms, offset, partition, ASKED

    def _read_responses(self, stretch: _Stretch) -> Iterator[Entry]:
        codec = Codec.for_topic(RESPONSE, stretch.topic, self._registry)
        for event, at_ms, offset, partition in self._read(stretch, codec, "reading responses"):
            self._first_ms.setdefault(partition, at_ms)
            kind = kind_of(event.status, has_run=event.started_at_ms is not None)
            yield _key(event.agent_id, event.task_id), _lane(event.agent_id), at_ms, offset, partition, kind

    def _read(
        self, stretch: _Stretch, codec: Codec[Any], step: str, burials: Spill | None = None
    ) -> Iterator[tuple[Any, int, int, int]]:
        """Each event that is wanted, with the time, offset and partition of its record; what holds none is noted."""
        tasks, unreadable_records = self._asked.tasks, 0
        for message in self._read_all(stretch, step):
            place = message.timestamp()[1], message.offset() or 0, message.partition() or 0
            try:
                event = codec.decode(message.value())
            except DecodeError:
                event = None
            # under another key it is no task, whatever ids it bears: a worker buries it
            if event is None or (burials is not None and message.key() != event.agent_id.encode()):
                unreadable_records += 1
                if burials is not None:
                    burials.add(unreadable(place[2], place[1], place[0]))
            elif tasks is None or (event.agent_id, event.task_id) in tasks:
                yield event, *place
        self._counts[stretch.topic] = replace(self._counts[stretch.topic], unreadable=unreadable_records)

    def _read_all(self, stretch: _Stretch, step: str) -> Iterator[Message]:
        """Each record of a stretch; in the end it is counted what there was, and what was not."""
        gaps, total = Gaps(stretch.begin, stretch.end), stretch.offsets
        records = aborted = 0
        for message in read_log(
            self._settings,
            stretch.topic,
            stretch.begin,
            stretch.end,
            on_gone=gaps.pass_gone,
            fetch_bytes=_FETCH_BYTES,
        ):
            if records % _REPORT_RECORDS == 0:
                self._on_progress(step, records, total)
            records += 1
            gaps.pass_record(message.partition() or 0, message.offset() or 0)
            if gaps.is_full:
                aborted += self._count_aborted(stretch.topic, gaps.take())
            yield message
        gaps.finish()
        aborted += self._count_aborted(stretch.topic, gaps.take())
        self._on_progress(step, total, total)
        unseen = gaps.offsets - aborted
        self._counts[stretch.topic] = TopicCounts(
            records=records,
            expired=sum(stretch.oldest[partition] for partition in stretch.end) + gaps.gone,
            aborted=aborted,
            marks=0 if stretch.is_compacted else unseen,
            compacted=unseen if stretch.is_compacted else 0,
        )

    def _count_aborted(self, topic: str, gaps: list[Gap]) -> int:
        """How many records readers of all records find in gaps."""
        begin, end = span(gaps)
        messages = read_log(self._settings, topic, begin, end, fetch_bytes=_FETCH_BYTES, is_committed=False)
        return count_within(gaps, ((message.partition() or 0, message.offset() or 0) for message in messages))

    def _find_scope(self, now_ms: int, waiting: Mapping[int, int], requests: _Stretch, responses: _Stretch) -> Scope:
        asked = self._asked
        return Scope(
            now_ms=now_ms,
            grace_ms=round(asked.grace_s * 1000),
            since_ms=-inf if asked.since_ms is None else asked.since_ms,
            until_ms=inf if asked.until_ms is None else asked.until_ms,
            complete={part for part in requests.end if requests.begin[part] == 0 and not requests.is_compacted},
            answers_since_ms=_find_first(responses, self._first_ms),
            waiting_from=waiting,
        )


def _find_first(answers: _Stretch, first_ms: Mapping[int, int]) -> dict[int, float]:
    """Of a partition whose oldest answers are gone: since when they are there."""
    since_ms: dict[int, float] = {}
    for partition in answers.end:
        if answers.is_compacted:
            since_ms[partition] = inf
        elif answers.begin[partition] > 0 and answers.begin[partition] == answers.oldest[partition]:
            since_ms[partition] = first_ms.get(partition, inf)
    return since_ms


def _key(agent_id: str, task_id: str) -> bytes:
    return blake2b(f"{agent_id}\0{task_id}".encode(), digest_size=16).digest()  # no id holds a NUL


@lru_cache(maxsize=65_536)
def _lane(agent_id: str) -> int:
    return int.from_bytes(blake2b(agent_id.encode(), digest_size=8).digest(), signed=True)

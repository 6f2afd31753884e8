"""History: reads the tasks of the past, each request with its outcome beside it.

It reads by assignment, without a consumer group, so no group's offsets are touched. Requests that somebody else's key
or task id rules out are passed over by their raw bytes. Those that are left are joined with their outcomes a few
thousand at a time: the responses are read from just before the time of the first of them, until each has its outcome.
So memory is bounded by that number. A task without an outcome costs a look at all later responses of its partition.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from functools import cached_property

from confluent_kafka import Message

from mabos.consumers.log import read_log
from mabos.consumers.past import PastTask, is_wanted
from mabos.consumers.selection import Bounds, Reach, Selection, settle
from mabos.kafka.admin import Cluster
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas.codec import REQUEST, RESPONSE, Codec
from mabos.schemas.errors import DecodeError
from mabos.schemas.registry import SchemaRegistry

MAX_CHUNK_TASKS = 20_000
"""How many tasks are joined with their outcomes at a time."""

_CHUNK_BYTES = 64 * 1024 * 1024
_CLOCK_MARGIN_MS = 60_000  # two partitions may have leaders whose clocks differ

_TaskKey = tuple[int, str, str]


def find_reach(settings: Settings, selection: Selection) -> Reach:
    """What is to be read for a selection, with the log's present end as the limit.

    Args:
        settings: Where Kafka is, and the queue.
        selection: What is wanted.

    Raises:
        InvalidSelection: A partition does not exist.
        BrokerUnavailable: No broker answers.
        TopicsDiffer: There is no such queue.
    """
    cluster, queue = Cluster(settings), Queue(name=settings.queue)
    begin, end = cluster.begin_offsets(queue.requests), cluster.end_offsets(queue.requests)

    def find(time_ms: int | None) -> dict[int, int]:
        return {} if time_ms is None else cluster.offsets_at(queue.requests, dict.fromkeys(end, time_ms))

    bounds = Bounds(begin=begin, end=end, since=find(selection.since_ms), until=find(selection.until_ms))
    return settle(selection, bounds, cluster.end_offsets(queue.responses))


class History:
    """The tasks of the past that a selection takes; iterate over it once.

    Args:
        settings: Where Kafka is, and the queue.
        registry: Where writer schemas are looked up.
        selection: Which tasks.
        reach: What to read for them, as :func:`find_reach` gives it.
        joins: Whether outcomes are wanted; a selection by status looks for them in any case.
        mixes: Whether the partitions are read side by side, as load for workers should be. Else one is read after the
            other, so tasks come in the order of their positions.
        chunk_tasks: How many tasks are joined with their outcomes at a time: few, where few are wanted.

    Attributes:
        undecodable: How many records were met that hold no request.
    """

    def __init__(
        self,
        settings: Settings,
        registry: SchemaRegistry,
        selection: Selection,
        reach: Reach,
        *,
        joins: bool = True,
        mixes: bool = False,
        chunk_tasks: int = MAX_CHUNK_TASKS,
    ) -> None:
        queue = Queue(name=settings.queue)
        self._settings, self._queue, self._selection, self._reach = settings, queue, selection, reach
        self._joins, self._mixes = joins or selection.wants_outcomes, mixes
        self._requests = Codec.for_topic(REQUEST, queue.requests, registry)
        self._responses = Codec.for_topic(RESPONSE, queue.responses, registry)
        self._chunk_tasks = min(chunk_tasks, MAX_CHUNK_TASKS)
        self._at = {partition: stretch.begin for partition, stretch in reach.stretches.items()}
        self._remarks: list[str] = []
        self._uncertain: set[int] = set()
        self._is_stopped = False
        self.undecodable = 0

    @cached_property
    def _cluster(self) -> Cluster:
        """Made when the first outcome is looked for: a scan without them needs none."""
        return Cluster(self._settings)

    @property
    def done(self) -> int:
        """How many of the reach's offsets were read so far; from any thread."""
        stretches = self._reach.stretches
        return sum(at - stretches[partition].begin for partition, at in self._at.items())

    @property
    def remarks(self) -> tuple[str, ...]:
        """A line for each thing that was found missing while reading."""
        more = [f"{self.undecodable} records hold no request and were passed over"] if self.undecodable else []
        return (*self._remarks, *more)

    def stop(self) -> None:
        """Read no further; from any thread."""
        self._is_stopped = True

    def __iter__(self) -> Generator[PastTask, None, None]:
        """The tasks.

        Raises:
            BrokerUnavailable: No broker answers.
            RegistryUnavailable: A writer schema is not known, and the registry does not answer.
        """
        stretches = self._reach.stretches
        groups = [list(stretches)] if self._mixes else [[partition] for partition in stretches]
        for partitions in groups:
            chunk: list[PastTask] = []
            size_bytes = 0
            for task in self._read_requests(partitions):
                if not self._joins:
                    yield task
                    continue
                chunk.append(task)
                size_bytes += len(task.message)
                if len(chunk) >= self._chunk_tasks or size_bytes >= _CHUNK_BYTES:
                    yield from self._join(chunk)
                    chunk, size_bytes = [], 0
            yield from self._join(chunk)

    def _read_requests(self, partitions: list[int]) -> Iterator[PastTask]:
        selection, at = self._selection, self._at
        key = None if selection.agent_id is None else selection.agent_id.encode()
        needle = b"" if selection.task_id is None else selection.task_id.encode()
        begin = {partition: at[partition] for partition in partitions}
        end = {partition: self._reach.stretches[partition].end for partition in partitions}
        log = read_log(self._settings, self._queue.requests, begin, end, on_gone=self._note_gone)
        with closing(log):
            for message in log:
                if self._is_stopped:
                    return
                at[message.partition()] = message.offset() + 1  # type: ignore[index,operator]  # it has a place
                if (key is None or message.key() == key) and needle in (message.value() or b""):
                    task = self._decode(message)
                    if task is not None and is_wanted(selection, task):
                        yield task
        at.update(end)  # what is left holds no record, such as the markers of transactions

    def _decode(self, message: Message) -> PastTask | None:
        try:
            request = self._requests.decode(message.value())
        except DecodeError:
            self.undecodable += 1
            return None
        position = Position(self._queue.requests, message.partition() or 0, message.offset() or 0)
        return PastTask(request=request, message=message, position=position)

    def _join(self, chunk: list[PastTask]) -> Iterator[PastTask]:
        """The tasks of a chunk that have one of the outcomes that are wanted."""
        if chunk:
            self._find_outcomes(chunk)
        statuses = self._selection.statuses
        if self._is_stopped:  # perhaps before each outcome was found, and then nobody may think there is none
            return iter(())
        return (task for task in chunk if not statuses or task.status in statuses)

    def _find_outcomes(self, chunk: list[PastTask]) -> None:
        wanted: dict[_TaskKey, list[PastTask]] = {}
        first_ms: dict[int, int] = {}
        for task in chunk:
            partition = task.position.partition
            wanted.setdefault((partition, task.request.agent_id, task.request.task_id), []).append(task)
            first_ms[partition] = min(first_ms.get(partition, task.appended_at_ms), task.appended_at_ms)
        keys = {agent_id.encode() for _, agent_id, _ in wanted}
        topic, ends = self._queue.responses, self._reach.responses_end
        begin = self._cluster.offsets_at(
            topic, {partition: max(0, time_ms - _CLOCK_MARGIN_MS) for partition, time_ms in first_ms.items()}
        )
        end = {partition: ends[partition] for partition in begin if partition in ends}
        responses = read_log(self._settings, topic, begin, end, on_gone=self._note_gone_responses)
        with closing(responses):
            for message in responses:
                if message.key() in keys:
                    self._take_outcome(message, wanted)
                if not wanted or self._is_stopped:
                    return
        self._note_uncertain({partition for partition, _, _ in wanted}, begin)

    def _note_uncertain(self, partitions: set[int], begin: dict[int, int]) -> None:
        """Say where tasks seem to have no outcome, and the responses of that time may have been deleted."""
        oldest = self._cluster.begin_offsets(self._queue.responses)
        for partition in sorted(partitions - self._uncertain):
            if 0 < oldest[partition] >= begin.get(partition, 0):
                self._uncertain.add(partition)
                self._remarks.append(
                    f"partition {partition}: responses before {oldest[partition]} are gone: "
                    "tasks that seem to have no outcome may have had one"
                )

    def _take_outcome(self, message: Message, wanted: dict[_TaskKey, list[PastTask]]) -> None:
        try:
            response = self._responses.decode(message.value())
        except DecodeError:
            return
        partition = message.partition() or 0
        if response.status.is_terminal:
            for task in wanted.pop((partition, response.agent_id, response.task_id), ()):
                task.outcome = response
                task.outcome_position = Position(self._queue.responses, partition, message.offset() or 0)

    def _note_gone(self, partition: int, begin: int, end: int) -> None:
        self._remarks.append(f"partition {partition}: offsets {begin} to {end - 1} went while the log was read")

    def _note_gone_responses(self, partition: int, begin: int, end: int) -> None:
        self._remarks.append(
            f"partition {partition}: responses {begin} to {end - 1} went while they were read: outcomes may be missing"
        )

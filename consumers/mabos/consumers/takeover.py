"""Takes partitions over: reads what their last owner left, in a thread of its own.

For each partition it looks up the committed offset and its bookmark, and reads the response partition from where the
bookmark says, and a stretch before that, to its end (see :mod:`mabos.consumers.inheritance`). Until that is known
nothing of the partition may run.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

import structlog
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from mabos.consumers.answers import MARK_HEADER
from mabos.consumers.bookmark import Bookmark, read_bookmark
from mabos.consumers.errors import WorkerFailed
from mabos.consumers.inheritance import Estate, Inheritance, inherit
from mabos.consumers.log import read_log
from mabos.consumers.tenure import Tenure
from mabos.kafka.admin import Cluster
from mabos.kafka.clients import librdkafka_config
from mabos.kafka.headers import headers_of
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas.codec import Codec
from mabos.schemas.errors import DecodeError, MabosError
from mabos.schemas.events import TaskResponse

log = structlog.stdlib.get_logger("mabos.worker")

_TIMEOUT_S = 10.0
_RETRY_S = 1.0


class Takeovers:
    """Reads ledgers as partitions come.

    Args:
        settings: Where Kafka is.
        group: The consumer group.
        codec: Decodes responses.
        window: How many responses before the bookmark are read, and how many outcomes are kept.
        reach: How many records past what it committed a worker may finish at most.
        on_failure: Called with an error that only a restart can cure; on this thread.
        on_read: Told how many responses were read, and how many seconds it took; on this thread.
    """

    def __init__(
        self,
        settings: Settings,
        group: str,
        codec: Codec[TaskResponse],
        *,
        window: int,
        reach: int,
        on_failure: Callable[[WorkerFailed], None],
        on_read: Callable[[int, float], None],
    ) -> None:
        self._settings, self._group, self._codec = settings, group, codec
        self._window, self._reach = window, reach
        self._queue = Queue(name=settings.queue)
        self._on_failure, self._on_read = on_failure, on_read
        self._wanted: SimpleQueue[dict[int, int] | None] = SimpleQueue()
        self._current: dict[int, int] = {}  # which take-over of a partition counts; written by the reader
        self._ready: deque[tuple[int, Tenure]] = deque()
        self._count = 0
        self._thread = threading.Thread(target=self._run, name="mabos-takeover", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def begin(self, partitions: set[int]) -> None:
        """Partitions were assigned: read their ledgers."""
        self._count += 1
        self._current |= dict.fromkeys(partitions, self._count)
        self._wanted.put(dict.fromkeys(partitions, self._count))

    def forget(self, partitions: set[int]) -> None:
        """Partitions are gone: what is read of them counts for nothing."""
        for partition in partitions:
            self._current.pop(partition, None)

    def take(self) -> list[Tenure]:
        """The partitions whose ledger is known now, each once."""
        found = []
        while self._ready:
            number, tenure = self._ready.popleft()
            if self._current.pop(tenure.partition, None) == number:
                found.append(tenure)
        return found

    def stop(self) -> None:
        """End the thread, in its own time."""
        self._current.clear()
        self._wanted.put(None)

    def _run(self) -> None:
        while (wanted := self._wanted.get()) is not None:
            while wanted := {p: number for p, number in wanted.items() if self._current.get(p) == number}:
                try:
                    tenures = self._read(set(wanted))
                except WorkerFailed as error:
                    self._on_failure(error)
                    return
                except (KafkaException, MabosError) as error:
                    log.warning("ledger not readable, trying again", partitions=sorted(wanted), cause=str(error))
                    time.sleep(_RETRY_S)
                else:
                    self._ready.extend((wanted[tenure.partition], tenure) for tenure in tenures)
                    break

    def _read(self, partitions: set[int]) -> list[Tenure]:
        began_s, count = time.monotonic(), 0
        found = self._find(partitions)
        begin = {partition: inheritance.begin for partition, inheritance in found.items()}
        end = {partition: inheritance.end for partition, inheritance in found.items()}
        for message in read_log(self._settings, self._queue.responses, begin, end):
            count += 1
            partition, offset = message.partition(), message.offset()
            if partition is None or offset is None:
                continue
            try:
                response = self._codec.decode(message.value())
            except DecodeError:
                continue  # it answers nothing
            task = response.agent_id, response.task_id
            if response.status.is_terminal:
                found[partition].note_outcome(task, offset)
            elif _is_mark(message):
                found[partition].note_mark(task, offset)
        self._on_read(count, time.monotonic() - began_s)
        return [inheritance.tenure for inheritance in found.values()]

    def _find(self, partitions: set[int]) -> dict[int, Inheritance]:
        """What is left of each partition."""
        committed = self._find_committed(partitions)
        cluster = Cluster(self._settings, timeout_s=_TIMEOUT_S)
        requests_begin = cluster.begin_offsets(self._queue.requests)
        requests_end = cluster.end_offsets(self._queue.requests)
        responses_end = cluster.end_offsets(self._queue.responses)
        found = {}
        for partition in partitions:
            offset, bookmark = committed[partition]
            self._check_range(partition, offset, requests_begin[partition], requests_end[partition])
            estate = Estate(
                committed=offset,
                bookmark=bookmark,
                requests_begin=requests_begin[partition],
                requests_end=requests_end[partition],
                responses_end=responses_end[partition],
            )
            found[partition] = inherit(partition, estate, window=self._window, reach=self._reach)
        return found

    def _check_range(self, partition: int, offset: int | None, begin: int, end: int) -> None:
        """Say what cannot be read any more; refuse what was never there."""
        topic = self._queue.requests
        if offset is not None and offset > end:
            raise WorkerFailed(
                f"{topic}:{partition} ends at {end}, but group {self._group} has committed {offset}: the topic was "
                "deleted or its log lost. Reset the offsets of the group, or use another one"
            )
        if offset is not None and offset < begin:
            lost = begin - offset
            log.error("tasks expired before they were read", topic=topic, partition=partition, first=offset, count=lost)

    def _find_committed(self, partitions: set[int]) -> dict[int, tuple[int | None, Bookmark | None]]:
        """The committed offset and its bookmark, by partition. A transaction in doubt is waited for (KIP-447)."""
        consumer = Consumer(librdkafka_config(self._settings, "reader", client_id="mabos-takeover", group=self._group))
        try:
            topic = self._queue.requests
            found = consumer.committed([TopicPartition(topic, p) for p in partitions], timeout=_TIMEOUT_S)
        finally:
            consumer.close()
        for place in found:
            if place.error is not None:
                raise KafkaException(place.error)
        return {
            place.partition: (None, None) if place.offset < 0 else (place.offset, read_bookmark(place.metadata))
            for place in found
        }


def _is_mark(message: Message) -> bool:
    return any(name == MARK_HEADER for name, _ in headers_of(message))

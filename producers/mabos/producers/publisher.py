"""The core under every producer: one librdkafka client, and a thread that takes its reports unless its owner does.

Records go out through :meth:`Publisher.publish` from any thread. Reports come back in batches on the publisher's own
thread, or on that of a sender in a rush (:mod:`mabos.producers.rush`); whoever took a batch wakes those that wait,
threads with one ``notify_all`` and each event loop with one ``call_soon_threadsafe``, however many records it held.
"""

from __future__ import annotations

import asyncio
import atexit
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Literal, NamedTuple, NoReturn

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from mabos.kafka.clients import librdkafka_config, log
from mabos.kafka.settings import Settings
from mabos.producers.errors import ForkedClient, ProducerStopped, PublishFailed, PublishQueueFull, RecordTooLarge
from mabos.producers.rush import Rush

Headers = list[tuple[str, str | bytes | None]]
OnDelivery = Callable[[KafkaError | None, Message], None]

_POLL_S = 0.2  # how long a stop may have to wait for the reports thread; reports themselves wake it at once
_ANY_PARTITION = -1
_NAP_S = 0.001


class _Process:
    """Which process this is. To ask for each record would be a system call each."""

    def __init__(self) -> None:
        self.note()
        os.register_at_fork(after_in_child=self.note)

    def note(self) -> None:
        """Ask."""
        self.pid = os.getpid()


_process = _Process()


class Record(NamedTuple):
    """A record to publish."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers | None = None
    partition: int = _ANY_PARTITION


class Publisher:
    """Publishes records: idempotent, acks=all. Safe to share between threads, not across a fork.

    Args:
        settings: Where Kafka is.
        client_id: Shown in the broker's logs and metrics.
        role: ``answers`` is a worker's: it keeps each record until the broker has it, however long that takes.
        has_thread: Whether a thread of its own takes the reports. Else its owner calls :meth:`take_reports` now and
            then: a busy owner saves the two threads' struggle for the interpreter, once per report.

    Raises:
        KafkaException: librdkafka refuses the configuration.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        client_id: str,
        role: Literal["producer", "answers"] = "producer",
        has_thread: bool = True,
    ) -> None:
        self._queue_full_timeout_s = settings.queue_full_timeout_s
        self._servers = settings.bootstrap_servers
        self._producer = Producer(librdkafka_config(settings, role, client_id=client_id))
        self._pid = _process.pid
        self._stopped = False
        self._ended = False
        self._reported = threading.Condition()
        self._awake: deque[asyncio.Future[None]] = deque()  # appended and popped by any thread: deques make that atomic
        self._thread: threading.Thread | None = None
        self._rush: Rush | None = None
        self._takers: set[int] = set()  # threads that take reports: whose function sends again must not take more
        if has_thread:
            self._rush = Rush()
            self._thread = threading.Thread(target=self._take_all_reports, name=f"{client_id}-reports", daemon=True)
            self._thread.start()
        atexit.register(self._stop_at_exit)

    def publish(self, record: Record, on_delivery: OnDelivery, queue_full_timeout_s: float | None = None) -> None:
        """Hand a record over, waiting in this thread while the local queue is full.

        Args:
            record: What to publish, and where.
            on_delivery: Called once with the broker's report, on the publisher's thread or a sender's; must not block.
            queue_full_timeout_s: How long to wait for room; None for the setting of that name.

        Raises:
            PublishQueueFull: The queue stayed full for ``queue_full_timeout_s``; nothing was sent.
            RecordTooLarge: The record is too large; nothing was sent.
            PublishFailed: librdkafka refuses the record; nothing was sent.
            ProducerStopped: After :meth:`stop`.
            ForkedClient: In a forked child.
        """
        if not self.try_publish(record, on_delivery):
            self.expect_reports()
            timeout_s = self._queue_full_timeout_s if queue_full_timeout_s is None else queue_full_timeout_s
            deadline = time.monotonic() + timeout_s
            while not self.try_publish(record, on_delivery):
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    raise self._queue_full(timeout_s)
                with self._reported:
                    self._reported.wait(min(left_s, _POLL_S))

    async def publish_async(self, record: Record, on_delivery: OnDelivery) -> None:
        """As :meth:`publish`, without blocking the event loop."""
        if not self.try_publish(record, on_delivery):
            self.expect_reports()
            deadline = time.monotonic() + self._queue_full_timeout_s
            loop = asyncio.get_running_loop()
            while not self.try_publish(record, on_delivery):
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    raise self._queue_full(self._queue_full_timeout_s)
                room = loop.create_future()
                self._awake.append(room)
                await asyncio.wait((room,), timeout=min(left_s, _POLL_S))

    def try_publish(self, record: Record, on_delivery: OnDelivery) -> bool:
        """As :meth:`publish`, but returns False at once where the local queue is full."""
        if self._stopped or self._pid != _process.pid:
            self._refuse_use()
        topic, key, value, headers, partition = record
        try:
            if headers is None:  # a keyword less is a tenth of the call
                self._producer.produce(topic, value, key, partition, on_delivery)
            else:
                self._producer.produce(topic, value, key, partition, on_delivery, headers=headers)
        except BufferError:
            return False
        except KafkaException as error:
            raise self._refused(record, error) from error
        if self._rush is not None and self._rush.note() and threading.get_ident() not in self._takers:
            self.take_reports()
        if self._stopped:  # stop() came since the check, and may be past its flush: nobody else takes this report
            self._producer.flush()
            self._notify()
        return True

    def wait_until(self, is_done: Callable[[], bool], timeout_s: float | None) -> bool:
        """Block until a condition that a report makes true holds; False if it does not within ``timeout_s``."""
        self._check_fork()
        self.expect_reports()
        with self._reported:
            return self._reported.wait_for(is_done, timeout_s)

    def expect_reports(self) -> None:
        """Somebody waits for a report: from now on it is taken as soon as it is there."""
        if self._rush is not None:
            self._rush.end()

    def wake(self, futures: list[asyncio.Future[None]]) -> None:
        """Have futures resolved, on their loops, after the present batch of reports."""
        self._awake.extend(futures)

    def flush(self, timeout_s: float | None = None) -> int:
        """Wait until every record handed over has its report.

        The reports are left to the publisher's thread where it has one: taken here, they would wake who waits for one
        only after the last one.

        Returns:
            How many have none after ``timeout_s`` (0 when None: it waits for all; each gets a report within
            ``publish_timeout_s``, be it a failure).
        """
        self._check_fork()
        self.expect_reports()
        deadline_s = math.inf if timeout_s is None else time.monotonic() + timeout_s
        with self._reported if self._thread is not None else nullcontext():
            while len(self) and not self._ended and (left_s := deadline_s - time.monotonic()) > 0:
                if self._thread is None:
                    self.take_reports(min(left_s, _POLL_S))
                else:  # bounded, for log lines count as records and wake nobody
                    self._reported.wait(min(left_s, _POLL_S))
        return self._left()

    def _left(self) -> int:
        """How many records have no report. librdkafka counts its log lines with them: those are taken first."""
        while left := len(self):
            if not self.take_reports(0):  # so none of them is a line, unless the thread has just taken it
                return min(left, len(self))
        return 0

    def hurry(self, timeout_s: float) -> None:
        """Send what lingers now, and wait until it has its reports, or for a short time; this thread may take some."""
        if len(self._producer):
            self._producer.flush(timeout_s)
            self._notify()

    def stop(self, timeout_s: float | None = None) -> None:
        """Take no more records, flush, and end the thread. A second call does nothing.

        Raises:
            PublishFailed: Some records had no report within ``timeout_s``; says how many.
        """
        if self._stopped or self._pid != _process.pid:
            return
        self._stopped = True
        self.flush(timeout_s)
        self._ended = True
        if self._thread is not None:
            self._thread.join()
        left = self._left()
        atexit.unregister(self._stop_at_exit)
        if left:
            raise PublishFailed(
                f"{left} records were not acknowledged by {self._servers} before the stop and may or may not be stored",
                may_be_stored=True,
            )

    def __len__(self) -> int:
        """How many records have no report yet."""
        return len(self._producer)

    def _take_all_reports(self) -> None:
        while not self._ended:
            if self._rush is not None and self._rush.is_on:
                time.sleep(_NAP_S)
            else:
                self.take_reports(_POLL_S)

    def take_reports(self, timeout_s: float = 0.0) -> int:
        """Take the reports that are there, or the first within ``timeout_s``, and say how many; on any thread."""
        taker = threading.get_ident()
        self._takers.add(taker)
        try:
            count = self._producer.poll(timeout_s)
        except Exception:  # noqa: BLE001 - a sender's function may raise anything, and must not end the thread
            count = 1
            log.exception("the function that a record's sender gave for its report failed")
        finally:
            self._takers.discard(taker)
        if count:
            self._notify()
        return count

    def _notify(self) -> None:
        with self._reported:
            self._reported.notify_all()
        by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        with suppress(IndexError):
            while True:
                future = self._awake.popleft()
                by_loop.setdefault(future.get_loop(), []).append(future)
        for loop, futures in by_loop.items():
            with suppress(RuntimeError):  # the loop is closed: nobody waits there any more
                loop.call_soon_threadsafe(_resolve, futures)

    def _refuse_use(self) -> NoReturn:
        self._check_fork()
        raise ProducerStopped("the producer is stopped: make a new one")

    def _check_fork(self) -> None:
        if self._pid != _process.pid:
            raise ForkedClient("Kafka clients do not survive a fork: make the producer in the process that uses it")

    def _queue_full(self, timeout_s: float) -> PublishQueueFull:
        return PublishQueueFull(
            f"the local queue held {len(self)} records and stayed full for {timeout_s:g} s: "
            f"send slower, or see whether Kafka at {self._servers} is up"
        )

    def _refused(self, record: Record, error: KafkaException) -> PublishFailed:
        cause: KafkaError = error.args[0]
        if cause.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            size_bytes = len(record.key or b"") + len(record.value or b"")
            return RecordTooLarge(
                f"a record of {size_bytes} bytes is too large, see MABOS_MAX_PAYLOAD_BYTES", may_be_stored=False
            )
        if cause.code() == KafkaError._FATAL:  # noqa: SLF001 - librdkafka's own code
            return PublishFailed(
                f"the producer is broken and takes nothing more, make a new one: {cause.str()}", may_be_stored=False
            )
        return PublishFailed(f"the record was refused: {cause.str()}", may_be_stored=False)

    def _stop_at_exit(self) -> None:
        """A program that ends without :meth:`stop` still sends what it handed over, or says that it did not."""
        try:
            self.stop()
        except PublishFailed as error:
            log.error("%s", error)


def _resolve(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)

"""Tasks that do old ones again: published through the live topic, and found again in the log."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from types import TracebackType
from typing import Self, cast

from confluent_kafka import KafkaError, Message

from mabos.consumers.lineage import HeadersRead, read_done_again
from mabos.consumers.log import read_log
from mabos.kafka.admin import Cluster
from mabos.kafka.headers import headers_of
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.producers.errors import PublishFailed
from mabos.producers.publisher import Headers, Publisher, Record
from mabos.producers.receipts import explain_failure
from mabos.schemas.codec import Codec
from mabos.schemas.events import TaskRequest


def find_republished(
    settings: Settings,
    begins: Mapping[int, int],
    name: str,
    run_id: str,
    is_stopping: Callable[[], bool] = lambda: False,
) -> Generator[tuple[Position, Position], None, None]:
    """Of each task that a run has published: the position of what it does again, and its own.

    Args:
        settings: Where Kafka is, and which queue.
        begins: Where the requests ended before the run published anything, by partition.
        name: The header that names the run, :data:`mabos.consumers.lineage.REPLAY` or ``REDRIVE``.
        run_id: The run.
        is_stopping: Asked at each record; once it says yes, there are no more.

    Raises:
        BrokerUnavailable: No broker answers.
    """
    topic = Queue(name=settings.queue).requests
    with closing(read_log(settings, topic, begins, Cluster(settings).end_offsets(topic))) as messages:
        for message in messages:
            if is_stopping():
                return
            if (old := read_done_again(headers_of(message), name, run_id)) is not None:
                yield old.position, _position_of(message)


class Republisher:
    """Publishes tasks for as long as each of them is acknowledged. Left, it waits for what is under way.

    Args:
        settings: Where Kafka is, and which queue.
        codec: That of requests.
        client_id: Shown in the broker's logs and metrics.
    """

    def __init__(self, settings: Settings, codec: Codec[TaskRequest], *, client_id: str) -> None:
        self._topic, self._codec = Queue(name=settings.queue).requests, codec
        self._publisher = Publisher(settings, client_id=client_id)
        self._failure: PublishFailed | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raises: PublishFailed: A task was not acknowledged."""
        self._publisher.stop()
        if error is None:
            self.check()

    def check(self) -> None:
        """Go on only if none has failed so far.

        Raises:
            PublishFailed: A task was not acknowledged.
        """
        if self._failure is not None:
            raise self._failure

    def publish(self, task: TaskRequest, headers: HeadersRead, on_stored: Callable[[Position], None]) -> None:
        """Publish a task; what becomes of it is told later, on a thread of the publisher's.

        Args:
            task: The task.
            headers: Its headers.
            on_stored: Told where it stands.

        Raises:
            RecordTooLarge: It takes more bytes than a record may have.
            PublishError: The client's queue stayed full.
        """

        def note(error: KafkaError | None, message: Message) -> None:
            if error is None:
                on_stored(_position_of(message))
            elif self._failure is None:
                self._failure = explain_failure(error, message.topic())

        record = Record(self._topic, task.agent_id.encode(), self._codec.encode(task), cast(Headers, list(headers)))
        self._publisher.publish(record, note)


def _position_of(message: Message) -> Position:
    return Position(message.topic() or "", message.partition() or 0, message.offset() or 0)

"""What stands in dead letters: their records, read from the log at their positions."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Generator, Iterable
from typing import Any

from confluent_kafka import Message

from mabos.consumers.answers import STACK
from mabos.consumers.errors import BeyondRetention
from mabos.consumers.log import read_log, read_record
from mabos.kafka.clients import open_registry
from mabos.kafka.headers import headers_of
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas.codec import REQUEST, Codec, schema_id_of
from mabos.schemas.errors import DecodeError, RegistryError
from mabos.schemas.events import TaskRequest
from mabos.streams.letter_rows import Letter, split_headers
from mabos.streams.places import Place
from mabos.streams.viewed_task import read_json


def read_letters(settings: Settings, topic: str, places: Iterable[tuple[int, int]]) -> Generator[Letter, None, None]:
    """The letters at some places, as far as the log still has them, partition by partition in the order of the log.

    Args:
        settings: Where Kafka is.
        topic: The dead-letters topic.
        places: Partitions and offsets.

    Raises:
        BrokerUnavailable: No broker answers.
    """
    wanted: defaultdict[int, set[int]] = defaultdict(set)
    for partition, offset in places:
        wanted[partition].add(offset)
    begins = {partition: min(offsets) for partition, offsets in wanted.items()}
    ends = {partition: max(offsets) + 1 for partition, offsets in wanted.items()}
    for message in read_log(settings, topic, begins, ends, on_gone=lambda *_: None):
        partition, offset = message.partition() or 0, message.offset() or 0
        if offset in wanted[partition]:
            yield _to_letter(Position(topic, partition, offset), message)


class LetterReader:
    """Reads single letters, each with a client of its own: they are looked at one by one. From any thread.

    Args:
        settings: Where Kafka and the registry are, and which queue.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._codec: Codec[TaskRequest] | None = None

    def read(self, position: Position) -> dict[str, Any]:
        """The JSON shape of what stands in a letter; of one that the log no more has, all is null or empty.

        ``headers`` are those that the record had, ``payload`` what it asks where it is decodable by now.

        Raises:
            BrokerUnavailable: No broker answers.
        """
        try:
            letter = _to_letter(position, read_record(self._settings, position))
        except BeyondRetention:
            return {"stack": None, "headers": [], "key": None, "payload": None, "raw": None, "schema_id": None}
        kept, own = split_headers(letter.headers)
        stack, value = dict(own).get(STACK), letter.value or b""
        return {
            "stack": None if stack is None else _show(stack),
            "headers": [{"name": name, "value": _show(data)} for name, data in kept],
            "key": None if letter.key is None else _show(letter.key),
            "payload": self._read_payload(letter.value),
            "raw": None if letter.value is None else base64.b64encode(value).decode(),
            "schema_id": schema_id_of(value),
        }

    def _read_payload(self, value: bytes | None) -> Any:  # noqa: ANN401 - it is JSON
        try:
            if self._codec is None:
                topic = Queue(name=self._settings.queue).requests
                self._codec = Codec.for_topic(REQUEST, topic, open_registry(self._settings))
            return read_json(self._codec.decode(value).payload_json)
        except (DecodeError, RegistryError):
            return None


def _to_letter(position: Position, message: Message) -> Letter:
    return Letter(
        place=Place(position.topic, position.partition),
        offset=position.offset,
        at_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=headers_of(message),
    )


def _show(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "replace")

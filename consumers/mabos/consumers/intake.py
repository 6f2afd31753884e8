"""Records in, jobs out; what is no task goes to the dead letters and the partition moves on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

import structlog
from confluent_kafka import Message

from mabos.consumers.answers import Answers, shrink_letter
from mabos.consumers.jobs import Job
from mabos.consumers.outbox import Outbox, Outgoing
from mabos.kafka.position import Position
from mabos.schemas.codec import Codec
from mabos.schemas.errors import DecodeError
from mabos.schemas.events import TaskRequest

log = structlog.stdlib.get_logger("mabos.worker")


class Intake:
    """Decodes the records of one requests topic.

    Args:
        codec: Decodes them.
        answers: Builds dead letters.
        outbox: Sends them.
        on_done: Called with partition and offset once the broker has the dead letter; on the publisher's thread.
    """

    def __init__(
        self,
        codec: Codec[TaskRequest],
        answers: Answers,
        outbox: Outbox,
        *,
        on_done: Callable[[int, int], None],
    ) -> None:
        self._codec, self._answers, self._outbox = codec, answers, outbox
        self._on_done = on_done

    def read(self, message: Message, place: Position) -> Job | None:
        """The job in a record, or None when there is none and a dead letter is on its way.

        Raises:
            RegistryUnavailable: Its writer schema cannot be looked up now: it is no dead letter, it must be read again.
        """
        key, value = message.key(), message.value()
        headers = _read_headers(message)
        try:
            request = self._codec.decode(value)
        except DecodeError as error:
            log.warning("record not decodable", position=str(place), cause=str(error))
            letter = self._answers.bury_raw(place, key, value, headers, code=error.code, cause=error.reason)
            on_stored = partial(self._on_done, place.partition, place.offset)
            self._outbox.send(Outgoing(record=letter, on_stored=on_stored, smaller=partial(shrink_letter, letter)))
            return None
        return Job(
            request=request,
            partition=place.partition,
            offset=place.offset,
            key=key,
            value=value,
            headers=headers,
            misplaced="" if key == request.agent_id.encode() else f"the record key is {key!a}, not the agent_id",
        )


def _read_headers(message: Message) -> tuple[tuple[str, bytes], ...]:
    headers = cast(list[tuple[str, bytes | None]], message.headers() or [])  # its stub allows what it never returns
    return tuple((name, data or b"") for name, data in headers)

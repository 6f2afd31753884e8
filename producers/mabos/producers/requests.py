"""A task request as a record: checked, encoded, keyed by its agent. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mabos.producers.publisher import Headers, Record
from mabos.schemas.codec import Codec
from mabos.schemas.errors import InvalidTask
from mabos.schemas.events import TaskRequest
from mabos.schemas.fields import check_ids, check_time, new_task_id, to_ms
from mabos.schemas.jsontext import encode_object

MAX_HEADERS = 64
MAX_HEADER_BYTES = 16_384


class RequestBuilder:
    """Builds the records of one requests topic.

    Args:
        codec: Encodes the requests.
        topic: Where they go.
        max_payload_bytes: The most bytes a payload's JSON may take.
    """

    def __init__(self, codec: Codec[TaskRequest], topic: str, *, max_payload_bytes: int) -> None:
        self._encode, self._topic = codec.make_encoder(type="TaskRequest"), topic
        self._max_payload_bytes = max_payload_bytes

    def build(
        self,
        *,
        agent_id: str,
        payload: Mapping[str, Any],
        task_id: str | None = None,
        deadline: datetime | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[str, Record]:
        """The task's id and the record of its request. No event is made: that would take a fifth of the time.

        Raises:
            InvalidTask: A field is refused; the message names it.
        """
        if task_id is None:
            task_id = new_task_id()
        check_ids(task_id, agent_id)
        payload_json = encode_object("payload", payload, max_bytes=self._max_payload_bytes)
        deadline_ms = to_ms("deadline", deadline)
        check_time("deadline", deadline_ms)
        value = self._encode((task_id, agent_id, payload_json, deadline_ms))
        return task_id, Record(
            self._topic, agent_id.encode(), value, None if headers is None else encode_headers(headers)
        )


def encode_headers(headers: Mapping[str, str]) -> Headers:
    """Headers as Kafka takes them.

    Raises:
        InvalidTask: A name or value is no text, or they are too many or too long.
    """
    encoded: Headers = []
    size_bytes = 0
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str) or not name:
            raise InvalidTask("headers", "names and values must be strings, and no name empty")
        try:
            data = value.encode()
            size_bytes += len(name.encode()) + len(data)
        except UnicodeEncodeError as error:
            raise InvalidTask(f"headers.{name!a}", "holds a lone surrogate, which is no character") from error
        encoded.append((name, data))
    if len(encoded) > MAX_HEADERS or size_bytes > MAX_HEADER_BYTES:
        raise InvalidTask(
            "headers",
            f"{len(encoded)} headers of {size_bytes} bytes, at most {MAX_HEADERS} of {MAX_HEADER_BYTES} are allowed",
        )
    return encoded

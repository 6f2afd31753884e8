"""What every contender is told, and the events on the wire by plain fastavro.

Imports nothing of the project: contenders also run where it is not installed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from io import BytesIO
from typing import Any

import fastavro

HEADER_BYTES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """What a contender works on."""

    servers: str
    """The broker."""
    registry_url: str
    requests: str
    """The topic of the requests."""
    responses: str
    """The topic of the responses."""
    queue: str
    """The name of the queue that both belong to."""
    group: str
    """A consumer group that nobody used before."""
    cache_dir: str
    """Where our own clients keep what the registry told."""
    request_id: int
    """The request schema's id."""
    response_id: int
    """The response schema's id."""
    request_schema: str
    response_schema: str
    count: int = 0
    """How many tasks to publish, for publishers."""
    limits: Mapping[str, Any] = field(default_factory=dict)
    """Our worker's limits."""

    def to_argument(self) -> str:
        """The command line argument that :func:`read_road` reads."""
        return json.dumps(asdict(self))


def read_road() -> Road:
    """What this program was told."""
    return Road(**json.loads(sys.argv[1]))


class Wire:
    """Events to bytes and back, the shortest way."""

    def __init__(self, road: Road) -> None:
        self._request = _parse(road.request_schema)
        self._response = _parse(road.response_schema)
        self._request_header = b"\0" + road.request_id.to_bytes(4, "big")
        self._response_header = b"\0" + road.response_id.to_bytes(4, "big")

    def encode_request(self, task_id: str, agent_id: str, payload: str) -> bytes:
        """A request's record value."""
        out = BytesIO()
        out.write(self._request_header)
        event = {"type": "TaskRequest", "task_id": task_id, "agent_id": agent_id, "payload": payload, "deadline": None}
        fastavro.schemaless_writer(out, self._request, event)
        return out.getvalue()

    def decode_request(self, value: bytes) -> Any:  # noqa: ANN401 - fastavro's type
        """The request in a record value."""
        return fastavro.schemaless_reader(BytesIO(value[HEADER_BYTES:]), self._request, None)

    def encode_response(self, request: Mapping[str, Any], result: str) -> bytes:
        """The record value of a task's response."""
        out = BytesIO()
        out.write(self._response_header)
        event = {
            "type": "TaskResponse",
            "task_id": request["task_id"],
            "agent_id": request["agent_id"],
            "status": "completed",
            "result": result,
            "error": None,
            "attempt": 1,
            "started_at": int(time.time() * 1000),
        }
        fastavro.schemaless_writer(out, self._response, event)
        return out.getvalue()

    def decode_response(self, value: bytes) -> Any:  # noqa: ANN401 - fastavro's type
        """The response in a record value."""
        return fastavro.schemaless_reader(BytesIO(value[HEADER_BYTES:]), self._response, None)


def _parse(schema_text: str) -> Any:  # noqa: ANN401 - fastavro's type
    """Without logical types: times stay milliseconds, the bytes are the same, and fastavro is twice as fast."""
    plain = json.loads(
        schema_text, object_hook=lambda found: {key: value for key, value in found.items() if key != "logicalType"}
    )
    return fastavro.parse_schema(plain)


def do_task(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The task of every contender: a payload in, a small result out."""
    return {"length": len(payload["text"]), "number": payload["number"]}

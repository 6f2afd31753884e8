"""What a worker writes: responses, and dead letters for what nobody could handle. Pure: it builds records."""

from __future__ import annotations

from collections.abc import Sequence

from mabos.consumers.jobs import Job
from mabos.kafka.position import Position
from mabos.kafka.topics import Queue
from mabos.producers.publisher import Headers, Record
from mabos.schemas.codec import Codec
from mabos.schemas.events import Status, TaskError, TaskResponse

_MAX_MESSAGE_CHARS = 2000
_LONG_KEY_BYTES = 65_536
_OWN_HEADERS = ("mabos-error-code", "mabos-error", "mabos-origin", "mabos-attempts", "mabos-task-id")


class Answers:
    """Builds the records that answer one queue's requests."""

    def __init__(self, codec: Codec[TaskResponse], queue: Queue) -> None:
        self._codec, self._queue = codec, queue

    def respond(
        self,
        job: Job,
        status: Status,
        *,
        result_json: str = "{}",
        error: TaskError | None = None,
        started_at_ms: int | None = None,
    ) -> Record:
        """A response, in the partition of its request and under its agent's key."""
        request = job.request
        response = TaskResponse(
            task_id=request.task_id,
            agent_id=request.agent_id,
            status=status,
            result_json=result_json,
            error=error,
            attempt=job.attempt,
            started_at_ms=started_at_ms,
        )
        key = request.agent_id.encode()
        return Record(self._queue.responses, key, self._codec.encode(response), None, job.partition)

    def bury(self, job: Job, error: TaskError) -> Record:
        """A dead letter for a task."""
        position = job.position(self._queue.requests)
        return self.bury_raw(position, job.key, job.value, job.headers, code=error.code, cause=error.message, job=job)

    def bury_raw(
        self,
        position: Position,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]],
        *,
        code: str,
        cause: str,
        job: Job | None = None,
    ) -> Record:
        """A dead letter for a record: raw key, value and headers, with cause and origin in headers of their own."""
        own: Headers = [
            ("mabos-error-code", code.encode()),
            ("mabos-error", shorten(cause).encode()),
            ("mabos-origin", str(position).encode()),
        ]
        if job is not None:
            own += [("mabos-attempts", str(job.attempt).encode()), ("mabos-task-id", job.request.task_id.encode())]
        return Record(self._queue.dead_letters, key, value, [*headers, *own], position.partition)


def shrink_letter(letter: Record) -> Record:
    """What is kept of a dead letter that is too large: where the record stands, and what was wrong with it."""
    key = letter.key if letter.key is not None and len(letter.key) <= _LONG_KEY_BYTES else None
    kept = [header for header in letter.headers or () if header[0] in _OWN_HEADERS][-len(_OWN_HEADERS) :]
    left_out = f"a value of {len(letter.value or b'')} bytes and its headers: too large for a dead letter"
    return letter._replace(key=key, value=None, headers=[*kept, ("mabos-left-out", left_out.encode())])


def shorten(text: str) -> str:
    """A message that fits into a response, whatever an exception had to say."""
    if len(text) > _MAX_MESSAGE_CHARS:
        text = text[: _MAX_MESSAGE_CHARS - 3] + "..."
    return text.encode("utf-8", "replace").decode()  # a lone surrogate would not encode

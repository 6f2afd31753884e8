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
            ("mabos-error", shorten(cause).encode("utf-8", "replace")),
            ("mabos-origin", str(position).encode()),
        ]
        if job is not None:
            own += [("mabos-attempts", str(job.attempt).encode()), ("mabos-task-id", job.request.task_id.encode())]
        return Record(self._queue.dead_letters, key, value, [*headers, *own], position.partition)


def shorten(text: str) -> str:
    """A message that fits into a response, whatever an exception had to say."""
    return text if len(text) <= _MAX_MESSAGE_CHARS else text[: _MAX_MESSAGE_CHARS - 3] + "..."

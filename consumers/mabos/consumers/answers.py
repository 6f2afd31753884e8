"""What a worker writes: responses, and dead letters for what nobody could handle. Pure: it builds records."""

from __future__ import annotations

from mabos.consumers.jobs import Job
from mabos.consumers.verdicts import Answered, shorten
from mabos.kafka.topics import Queue
from mabos.producers.publisher import Headers, Record
from mabos.schemas.codec import Codec
from mabos.schemas.events import Status, TaskError, TaskResponse

MARK_HEADER = "mabos-mark"
"""On an ``in_progress`` response: the task began as a suspect (see :mod:`mabos.consumers.ledger`)."""

_LONG_KEY_BYTES = 65_536
LETTER_CODE = "mabos-error-code"
"""On a dead letter: the first of the headers that its worker adds after those of the record."""
STACK = "mabos-stack"
"""On a dead letter: the stack of the exception that the handler raised, without the values of variables."""
_OWN_HEADERS = (LETTER_CODE, STACK, "mabos-error", "mabos-origin", "mabos-attempts", "mabos-task-id")
LETTER_HEADERS = frozenset((*_OWN_HEADERS, "mabos-left-out"))
"""All that a worker may add."""


class Answers:
    """Builds the records that answer one queue's requests."""

    def __init__(self, codec: Codec[TaskResponse], queue: Queue) -> None:
        self._encode = codec.make_encoder(type="TaskResponse")
        self._encode_completed = codec.make_encoder(type="TaskResponse", status="completed", error=None, attempt=1)
        self._responses, self._dead_letters, self._requests = queue.responses, queue.dead_letters, queue.requests

    def respond(self, job: Job, what: Answered) -> Record:
        """A response, in the partition of its request and under its agent's key."""
        request = job.request
        error = None if what.error is None else what.error.to_record()
        ids, status = (request.task_id, request.agent_id), what.status._value_
        value = self._encode((*ids, status, what.result_json, error, job.attempt, what.started_at_ms))
        return Record(self._responses, job.key, value, None, job.partition)

    def complete(self, job: Job, result_json: str, started_at_ms: int) -> Record:
        """The response to a task that completed at its first attempt: as :meth:`respond`, in one step."""
        request = job.request
        value = self._encode_completed((request.task_id, request.agent_id, result_json, started_at_ms))
        return Record(self._responses, job.key, value, None, job.partition)

    def report_progress(self, job: Job, result_json: str) -> Record:
        """How far a task is."""
        return self.respond(job, Answered(Status.IN_PROGRESS, result_json))

    def mark(self, job: Job) -> Record:
        """That a suspect begins."""
        headers: Headers = [(MARK_HEADER, str(job.deaths).encode())]
        return self.respond(job, Answered(Status.IN_PROGRESS))._replace(headers=headers)

    def bury(self, job: Job, code: str, cause: str, stack: str = "") -> Record:
        """A dead letter: raw key, value and headers, with cause, origin and stack in headers of their own."""
        own: Headers = [
            (LETTER_CODE, code.encode()),
            ("mabos-error", shorten(cause).encode()),
            ("mabos-origin", str(job.position(self._requests)).encode()),
        ]
        if job.is_decoded:
            own += [("mabos-attempts", str(job.attempt).encode()), ("mabos-task-id", job.request.task_id.encode())]
        if stack:
            own.append((STACK, stack.encode("utf-8", "replace")))
        return Record(self._dead_letters, job.key, job.value, [*job.headers, *own], job.partition)

    def shrink(self, job: Job, record: Record) -> Record | None:
        """What to send instead of a record that is too large; None if there is nothing smaller."""
        if record.topic == self._dead_letters:
            smaller = shrink_letter(record)
        else:
            error = TaskError(code="bad_result", message="the broker refused a response of this size")
            smaller = self.respond(job, Answered(Status.FAILED, error=error))
        return smaller if len(smaller.value or b"") < len(record.value or b"") else None


def shrink_letter(letter: Record) -> Record:
    """What is kept of a dead letter that is too large: where the record stands, and what was wrong with it."""
    key = letter.key if letter.key is not None and len(letter.key) <= _LONG_KEY_BYTES else None
    headers = letter.headers or []
    begin = max((n for n, (name, _) in enumerate(headers) if name == LETTER_CODE), default=len(headers))
    kept = [header for header in headers[begin:] if header[0] in _OWN_HEADERS]
    left_out = f"a value of {len(letter.value or b'')} bytes and its headers: too large for a dead letter"
    return letter._replace(key=key, value=None, headers=[*kept, ("mabos-left-out", left_out.encode())])

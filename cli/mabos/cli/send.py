"""``mabos send`` and ``mabos call``: publish tasks, and wait for an outcome."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from mabos.cli.options import EXIT_NO, OutputOption, QueueOption, find_cluster, settings_for
from mabos.cli.output import Output, print_error, print_record, print_rows, progress_bar
from mabos.cli.task_lines import TaskArguments, TaskLine, read_lines, read_time
from mabos.consumers.client import TaskClient
from mabos.kafka.settings import Settings
from mabos.producers.errors import PublishFailed
from mabos.producers.producer import TaskProducer
from mabos.producers.receipts import Receipt
from mabos.schemas.errors import InvalidTask
from mabos.schemas.events import Status
from mabos.schemas.jsontext import parse_object

_WINDOW = 10_000  # how many tasks may be under way at a time

AgentOption = Annotated[str | None, typer.Option("--agent", "-a", help="The agent.")]
PayloadOption = Annotated[str | None, typer.Option("--payload", "-p", help="A JSON object, or @FILE; {} if not given.")]
ActionOption = Annotated[str | None, typer.Option("--action", help='Sets "action" in the payload.')]
TaskIdOption = Annotated[str | None, typer.Option("--task-id", help="Your name for the task, else a UUIDv7.")]
DeadlineOption = Annotated[str | None, typer.Option("--deadline", help="When the answer is of no more use (RFC 3339).")]
FileOption = Annotated[Path | None, typer.Option("--file", "-f", help="JSON lines of tasks; - for standard input.")]
_COLUMNS = ("task_id", "agent_id", "position", "error")


def send(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    agent: AgentOption = None,
    payload: PayloadOption = None,
    action: ActionOption = None,
    task_id: TaskIdOption = None,
    deadline: DeadlineOption = None,
    file: FileOption = None,
    queue: QueueOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Publish a task, or a file of them. Exit code 1 if one was refused or not acknowledged; the others are sent."""
    if (agent is None) == (file is None):
        raise typer.BadParameter("give either --agent or --file", param_hint="--agent / --file")
    if file is not None:
        if (payload, action, task_id, deadline) != (None, None, None, None):
            raise typer.BadParameter(
                "the file has a payload, action, task id and deadline per task", param_hint="--file"
            )
        _send_file(file, settings_for(queue), output)
        return
    task = _task(agent or "", payload, action, task_id, deadline)
    with _producer(settings_for(queue)) as producer:
        receipt = producer.send_task_request(**task)
        position = receipt.result()
    print_record({"task_id": receipt.task_id, "agent_id": agent, "position": str(position)}, output)


def call(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    agent: Annotated[str, typer.Option("--agent", "-a", help="The agent.")],
    payload: PayloadOption = None,
    action: ActionOption = None,
    task_id: TaskIdOption = None,
    deadline: DeadlineOption = None,
    timeout_s: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds to wait for the outcome.")] = 30.0,
    queue: QueueOption = None,
    output: OutputOption = Output.JSON,
) -> None:
    """Publish a task, wait for its outcome and print it.

    Exit code 0 if it is completed, 1 for any other outcome, 3 if there is none in time.
    """
    task, settings = _task(agent, payload, action, task_id, deadline), settings_for(queue)
    find_cluster(settings)
    with TaskClient(settings) as client:
        response = client.call(
            agent_id=task["agent_id"],
            payload=task["payload"],
            task_id=task["task_id"],
            deadline=task["deadline"],
            timeout_s=timeout_s,
        )
    print_record(response.to_json(), output)
    raise typer.Exit(0 if response.status is Status.COMPLETED else EXIT_NO)


def _task(
    agent: str, payload: str | None, action: str | None, task_id: str | None, deadline: str | None
) -> TaskArguments:
    payload = "{}" if payload is None else payload
    try:
        text = Path(payload[1:]).read_bytes() if payload.startswith("@") else payload.encode()
    except UnicodeEncodeError as error:
        raise InvalidTask("payload", "is not UTF-8") from error
    except (OSError, ValueError) as error:
        raise InvalidTask("payload", f"cannot be read: {error}") from error
    value = parse_object("payload", text)
    if action is not None:
        value["action"] = action
    moment = read_time("deadline", deadline)
    return TaskArguments(agent_id=agent, payload=value, task_id=task_id, deadline=moment, headers=None)


def _producer(settings: Settings) -> TaskProducer:
    """A producer for a cluster that is there: it would keep trying to reach another for ``publish_timeout_s``."""
    find_cluster(settings)
    return TaskProducer(settings)


def _send_file(file: Path, settings: Settings, output: Output) -> None:
    counts = {"sent": 0, "refused": 0, "failed": 0}
    with _open(file) as (lines, total), _producer(settings) as producer:
        began_s = time.monotonic()
        rows = _publish(producer, lines, total, counts)
        if output is Output.TABLE:
            for row in rows:
                if row["error"]:
                    print_error(f"line {row['line']}: {row['error']}")
        else:
            print_rows(rows, _COLUMNS, output)
    if output is Output.TABLE:
        took_s = max(time.monotonic() - began_s, 1e-6)
        print_record(counts | {"tasks/s": round(counts["sent"] / took_s)}, output)
    raise typer.Exit(EXIT_NO if counts["refused"] or counts["failed"] else 0)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A line of the file, whose fate is known or will be."""

    line: TaskLine
    fate: Receipt | InvalidTask

    @property
    def is_settled(self) -> bool:
        return isinstance(self.fate, InvalidTask) or self.fate.is_done


def _publish(
    producer: TaskProducer, lines: IO[bytes], total: int | None, counts: dict[str, int]
) -> Iterator[dict[str, Any]]:
    """Send each line, and give a row per line, in order, once its fate is known."""
    under_way: deque[_Sent] = deque()
    with progress_bar() as bar:
        progress = bar.add_task("sending", total=total, note="")
        for line in read_lines(lines):
            under_way.append(_send_line(producer, line))
            while under_way and (len(under_way) >= _WINDOW or under_way[0].is_settled):
                yield _settle(under_way.popleft(), counts)
            note = f"{counts['refused']} refused" if counts["refused"] else ""
            bar.update(progress, completed=line.number, note=note)
        while under_way:
            yield _settle(under_way.popleft(), counts)


def _send_line(producer: TaskProducer, line: TaskLine) -> _Sent:
    if line.task is None:
        return _Sent(line, line.error or InvalidTask("task", "is none"))
    try:
        return _Sent(line, producer.send_task_request(**line.task))
    except InvalidTask as error:
        return _Sent(line, error)


def _settle(sent: _Sent, counts: dict[str, int]) -> dict[str, Any]:
    line, fate = sent.line, sent.fate
    row: dict[str, Any] = {"line": line.number, "task_id": None, "agent_id": None, "position": None, "error": None}
    if line.task is not None:
        row |= {"task_id": line.task["task_id"], "agent_id": line.task["agent_id"]}
    if isinstance(fate, InvalidTask):
        counts["refused"] += 1
        return row | {"error": str(fate)}
    row["task_id"] = fate.task_id
    try:
        row["position"] = str(fate.result())
        counts["sent"] += 1
    except PublishFailed as error:
        row["error"] = str(error)
        counts["failed"] += 1
    return row


@contextmanager
def _open(file: Path) -> Iterator[tuple[IO[bytes], int | None]]:
    """The lines of a file and how many they are; nobody knows that of a pipe."""
    if str(file) == "-":
        yield sys.stdin.buffer, None
        return
    try:
        lines = file.open("rb")
    except OSError as error:
        raise InvalidTask("--file", f"{file} cannot be read: {error.strerror}") from error
    with lines:
        total = None
        if lines.seekable():
            total = sum(1 for _ in lines)
            lines.seek(0)
        yield lines, total

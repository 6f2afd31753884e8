"""Two doors to publish a task through: HTTP and the SDK."""

from __future__ import annotations

import http.client
import json
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from mabos.cli.task_lines import read_lines
from mabos.kafka.settings import Settings
from mabos.producers import PublishFailed, TaskProducer

HTTP_CONNECTIONS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A task to publish."""

    task_id: str
    agent_id: str
    payload: dict[str, Any]


class Listener(Protocol):
    """Whoever wants to know when a task is sent."""

    def note_sent(self, mail: Mail, door: str) -> None:
        """A task goes out now."""
        ...


def read_mail(file: Path, *, run_id: str) -> list[Mail]:
    """The tasks of a file, named anew for this run, so that its answers are told from those of earlier runs.

    Raises:
        InvalidTask: A line is no task.
    """
    mail = []
    with file.open("rb") as lines:
        for line in read_lines(lines):
            if line.task is None:
                raise line.error or AssertionError
            task = line.task
            mail.append(
                Mail(
                    task_id=f"{task['task_id']}.{run_id}",
                    agent_id=task["agent_id"],
                    payload=task["payload"],
                )
            )
    return mail


def send_with_sdk(settings: Settings, mail: list[Mail], listener: Listener) -> None:
    """Publish with a TaskProducer.

    Raises:
        PublishFailed: One was not acknowledged.
    """
    with TaskProducer(settings) as producer:
        receipts = []
        for one in mail:
            listener.note_sent(one, "sdk")
            receipts.append(producer.send_task_request(agent_id=one.agent_id, task_id=one.task_id, payload=one.payload))
        for receipt in receipts:
            receipt.result(30)


def send_over_http(settings: Settings, mail: list[Mail], listener: Listener) -> None:
    """Publish over a few connections; an agent's tasks share one, so that they stay in order.

    Raises:
        PublishFailed: One was not accepted.
    """
    parts: list[list[Mail]] = [[] for _ in range(HTTP_CONNECTIONS)]
    for one in mail:
        parts[zlib.crc32(one.agent_id.encode()) % HTTP_CONNECTIONS].append(one)
    with ThreadPoolExecutor(HTTP_CONNECTIONS) as pool:
        for done in [pool.submit(_post_all, settings.gateway_url, part, listener) for part in parts]:
            done.result()


def _post_all(url: str, mail: list[Mail], listener: Listener) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        for one in mail:
            listener.note_sent(one, "http")
            body = json.dumps({"task_id": one.task_id, "agent_id": one.agent_id, "payload": one.payload})
            connection.request("POST", "/api/tasks", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
            if answer.status != http.client.ACCEPTED:
                raise PublishFailed(f"POST /api/tasks answered {answer.status}: {text[:200]}", may_be_stored=False)
    except OSError as error:
        raise PublishFailed(f"the gateway at {url} does not answer: {error}", may_be_stored=True) from error
    finally:
        connection.close()

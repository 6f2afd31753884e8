"""What a task may do beside ending: tell how far it is, and ask other agents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mabos.consumers.answers import Answers
from mabos.consumers.asking import Asker
from mabos.consumers.delivery import Delivery, Kind, Outgoing
from mabos.consumers.jobs import Job
from mabos.schemas.jsontext import encode_object


class TaskSurroundings:
    """What tasks need of their worker.

    Args:
        topic: The requests topic.
        answers: Builds progress responses.
        delivery: Sends them.
        asker: Asks other agents.
        max_result_bytes: The most bytes their JSON may take.
    """

    def __init__(
        self, topic: str, answers: Answers, delivery: Delivery, asker: Asker, *, max_result_bytes: int
    ) -> None:
        self.topic, self.asker = topic, asker
        self._answers, self._delivery, self._max_result_bytes = answers, delivery, max_result_bytes

    def report_progress(self, job: Job, fields: Mapping[str, Any]) -> None:
        """Publish how far a task is; of a task that has ended, nothing is published.

        Raises:
            InvalidTask: The fields are no JSON object, or too large.
        """
        text = encode_object("progress", fields, max_bytes=self._max_result_bytes)
        if job.task is not None and not job.tenure.is_over:
            self._delivery.send(Outgoing(self._answers.report_progress(job, text), job, Kind.PROGRESS))

"""A task control as a record: checked, encoded, keyed by its agent."""

from __future__ import annotations

from mabos.producers.publisher import Record
from mabos.schemas.codec import CONTROL, Codec, SchemaIds
from mabos.schemas.events import TaskControl, Verb


class ControlBuilder:
    """Builds the records of one controls topic. Safe to share between threads.

    The registry is asked at the first control: a service that sends none needs no such schema to be registered.

    Args:
        registry: Where the schema's id is looked up.
        topic: Where the controls go.
    """

    def __init__(self, registry: SchemaIds, topic: str) -> None:
        self._registry, self._topic = registry, topic
        self._codec: Codec[TaskControl] | None = None

    def build(self, *, agent_id: str, task_id: str, verb: Verb, reason: str) -> tuple[TaskControl, Record]:
        """The event and its record.

        Raises:
            InvalidTask: A field is refused; the message names it.
            RegistryError: The schema is not registered, or the registry is away and never told its id.
        """
        control = TaskControl(task_id=task_id, agent_id=agent_id, verb=verb, reason=reason)
        if self._codec is None:
            self._codec = Codec.for_topic(CONTROL, self._topic, self._registry)
        return control, Record(self._topic, agent_id.encode(), self._codec.encode(control))

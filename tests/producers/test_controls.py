"""A task control as a record."""

from __future__ import annotations

from typing import Any, cast

import pytest

from mabos.producers.controls import ControlBuilder
from mabos.schemas.codec import CONTROL, Codec
from mabos.schemas.errors import InvalidTask
from mabos.schemas.events import Verb
from tests.support.registries import FakeRegistry

TOPIC = "mabos.tasks.controls"


def test_a_control_is_keyed_by_its_agent() -> None:
    """So that it stands in the partition of its task; the value is the event in Avro."""
    builder = ControlBuilder(FakeRegistry(), TOPIC)
    control, record = builder.build(agent_id="agent é", task_id="t", verb=Verb.CANCEL, reason="asked twice")
    assert (record.topic, record.key, record.partition, record.headers) == (TOPIC, "agent é".encode(), -1, None)
    assert Codec(CONTROL, 1, cast(Any, None)).decode(record.value) == control
    assert (control.task_id, control.verb, control.reason) == ("t", Verb.CANCEL, "asked twice")


def test_the_registry_is_asked_at_the_first_control() -> None:
    """And once: a service that sends none needs no schema of controls."""
    registry = FakeRegistry()
    builder = ControlBuilder(registry, TOPIC)
    assert registry.texts == {}
    for task_id in ("1", "2"):
        builder.build(agent_id="a", task_id=task_id, verb=Verb.CANCEL, reason="")
    assert registry.texts == {1: CONTROL.schema_text}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"agent_id": ""}, "agent_id"), ({"task_id": "a\x00"}, "task_id"), ({"reason": "é" * 501}, "reason")],
)
def test_what_the_contract_refuses_is_refused_by_name(wrong: dict[str, Any], field: str) -> None:
    """Before anything is sent, with an error that names the field."""
    with pytest.raises(InvalidTask) as caught:
        ControlBuilder(FakeRegistry(), TOPIC).build(
            **({"agent_id": "a", "task_id": "t", "verb": Verb.CANCEL, "reason": ""} | wrong)
        )
    assert caught.value.field == field

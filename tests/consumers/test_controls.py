"""The control feed, without a broker."""

from __future__ import annotations

from typing import Any, cast

import pytest

from mabos.consumers import ControlFeed, FeedStopped, controls
from mabos.kafka.settings import Settings
from mabos.schemas.codec import CONTROL, Codec
from mabos.schemas.errors import RegistryUnavailable
from mabos.schemas.events import TaskControl, Verb
from tests.support.registries import FakeRegistry

FOREIGN = 77


class Read:
    """A record as the feed reads it."""

    def __init__(self, control: TaskControl, schema_id: int = 1) -> None:
        self._value = Codec(CONTROL, schema_id, cast(Any, None)).encode(control)

    def error(self) -> None:
        return None

    def value(self) -> bytes:
        return self._value

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return 5


class ComingBack(FakeRegistry):
    """A registry that is away for a few questions."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def schema_text(self, schema_id: int) -> str | None:
        self.times -= 1
        self.is_away = self.times >= 0
        return super().schema_text(schema_id)


def control(verb: Verb = Verb.CANCEL, **fields: str) -> TaskControl:
    return TaskControl(**{"task_id": "t", "agent_id": "a"} | fields, verb=verb)


def feed(registry: FakeRegistry, heard: list[TaskControl], **options: Any) -> ControlFeed:
    return ControlFeed(Settings(bootstrap_servers="127.0.0.1:1"), registry.as_registry, heard.append, **options)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controls, "_SCHEMA_PAUSE_S", 0.001)


def test_cancels_are_told_and_nothing_else() -> None:
    """A verb that a newer writer says and nobody here knows is passed."""
    heard = list[TaskControl]()
    made = feed(FakeRegistry(), heard)
    for event in (control(), control(Verb.OTHER), control(task_id="u", reason="r")):
        made._tail._take(cast(Any, Read(event)))
    assert heard == [control(), control(task_id="u", reason="r")]


def test_a_start_waits_for_the_registry() -> None:
    """A cancel from before the start, by a writer that nobody here knows yet, is told when the registry is back."""
    heard, registry = list[TaskControl](), ComingBack(5)
    made = feed(registry, heard)
    registry.texts[FOREIGN] = CONTROL.schema_text
    made._take_old(cast(Any, Read(control(), FOREIGN)))
    assert heard == [control()]
    assert registry.asked == [FOREIGN] * 6


def test_a_start_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says which record, and that the registry is away; a stop ends the wait at once."""
    heard, registry = list[TaskControl](), FakeRegistry()
    made = feed(registry, heard)
    registry.is_away = True
    monkeypatch.setattr(controls, "_SCHEMA_TIMEOUT_S", 0.01)
    with pytest.raises(RegistryUnavailable, match=r"^cancels cannot be read: mabos\.tasks\.controls:3:5: .* is away"):
        made._take_old(cast(Any, Read(control(), FOREIGN)))
    monkeypatch.setattr(controls, "_SCHEMA_TIMEOUT_S", 600)
    made.stop()
    with pytest.raises(RegistryUnavailable):
        made._take_old(cast(Any, Read(control(), FOREIGN)))


def test_what_cannot_be_decoded_is_passed() -> None:
    """A schema that the registry does not have, now or before the start."""
    heard, registry = list[TaskControl](), FakeRegistry()
    made = feed(registry, heard)
    made._take_old(cast(Any, Read(control(), FOREIGN)))
    made._tail._take(cast(Any, Read(control(), FOREIGN)))
    assert registry.asked == [FOREIGN, FOREIGN]
    assert heard == []


def test_a_feed_that_breaks_is_told() -> None:
    """Whoever relies on cancels hears that no more will come; a stop is no break."""
    told = list[FeedStopped]()
    made = feed(FakeRegistry(), [], on_failure=told.append)
    made._end(None)
    assert told == []
    made._end(ValueError("oops"))
    assert [str(error) for error in told] == ["the control feed broke: oops"]

"""Which topics there are, and what differs between the file that wants them and the cluster that has them. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

_HERE = Path(__file__).parent
TOPICS_FILE = _HERE / "topics.toml" if (_HERE / "topics.toml").is_file() else _HERE.parents[1] / "topics.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """The four topics of a queue, and who reads them for its view."""

    name: str = "tasks"
    """The queue's name."""

    @property
    def requests(self) -> str:
        """Where tasks are asked."""
        return f"mabos.{self.name}.requests"

    @property
    def responses(self) -> str:
        """Where tasks are answered: partition n answers partition n of the requests."""
        return f"mabos.{self.name}.responses"

    @property
    def dead_letters(self) -> str:
        """Where records go that nobody could handle."""
        return f"mabos.{self.name}.dead-letters"

    @property
    def controls(self) -> str:
        """Where cancels are said."""
        return f"mabos.{self.name}.controls"

    @property
    def topics(self) -> tuple[str, str, str, str]:
        """All four."""
        return self.requests, self.responses, self.dead_letters, self.controls

    @property
    def view_group(self) -> str:
        """The consumer group of those who keep the queue's view."""
        return f"mabos-view-{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """A topic as it is wanted, or as it is."""

    name: str
    partitions: int
    replication_factor: int
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference between a wanted topic and the one there is."""

    kind: Literal["create", "config", "partitions", "replication"]
    topic: str
    key: str = ""
    """The configuration key, for ``config``."""
    found: str = ""
    wanted: str = ""

    @property
    def is_refused(self) -> bool:
        """Whether only a person may make it: it would move agents between partitions, or data between brokers."""
        return self.kind in ("partitions", "replication")

    def __str__(self) -> str:
        """One line for people."""
        if self.kind == "create":
            return f"{self.topic}: missing, to be created with {self.wanted}"
        if self.kind == "config":
            return f"{self.topic}: {self.key} is {self.found or 'unset'}, wanted {self.wanted}"
        return f"{self.topic}: {self.kind} is {self.found}, wanted {self.wanted}"


def read_topic_specs(queue: Queue, *, brokers: int, file: Path = TOPICS_FILE) -> list[TopicSpec]:
    """The topics that a ``topics.toml`` wants for a queue.

    Args:
        queue: The queue.
        brokers: How many brokers there are: fewer than the wanted copies means fewer copies.
        file: The file.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no such file; the message says what is wrong.
    """
    try:
        wanted = tomllib.loads(file.read_text(encoding="utf-8"))
        copies = min(_count(wanted, "replication_factor"), brokers)
        config = {"min.insync.replicas": max(1, copies - 1), **wanted["config"]}
        return [
            TopicSpec(
                name=f"mabos.{queue.name}.{suffix}",
                partitions=_count(wanted, "partitions"),
                replication_factor=copies,
                config={key: _text(value) for key, value in (config | own).items()},
            )
            for suffix, own in wanted["topics"].items()
        ]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{file}: needs partitions, replication_factor, [config] and [topics.*] ({error})") from error


def diff_topics(wanted: Iterable[TopicSpec], found: Mapping[str, TopicSpec]) -> list[Change]:
    """What would have to change for the found topics to be as wanted."""
    changes = []
    for spec in wanted:
        have = found.get(spec.name)
        if have is None:
            text = f"{spec.partitions} partitions, replication {spec.replication_factor}"
            changes.append(Change(kind="create", topic=spec.name, wanted=text))
            continue
        if have.partitions != spec.partitions:
            changes.append(_number("partitions", spec.name, have.partitions, spec.partitions))
        if have.replication_factor != spec.replication_factor:
            changes.append(_number("replication", spec.name, have.replication_factor, spec.replication_factor))
        changes += [
            Change(kind="config", topic=spec.name, key=key, found=have.config.get(key, ""), wanted=value)
            for key, value in spec.config.items()
            if have.config.get(key) != value
        ]
    return changes


def _number(kind: Literal["partitions", "replication"], topic: str, found: int, wanted: int) -> Change:
    return Change(kind=kind, topic=topic, found=str(found), wanted=str(wanted))


def _count(wanted: Mapping[str, object], key: str) -> int:
    value = wanted[key]
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{key} must be a number from 1, not {value!r}")
    return value


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

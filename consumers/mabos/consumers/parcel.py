"""A parcel: what one transaction holds, and what the broker said of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from confluent_kafka import KafkaError, Message, TopicPartition

from mabos.consumers.answers import Answers
from mabos.consumers.delivery import Outgoing
from mabos.producers.publisher import Record


class Ack(NamedTuple):
    """The broker has a record."""

    outgoing: Outgoing
    """What was sent."""
    offset: int
    """Where it stands, in the partition of its record."""


def fit(outgoing: Outgoing, error: KafkaError, answers: Answers) -> Outgoing | None:
    """What to send after a record was refused: the same again, or a smaller one; None where nothing would be taken."""
    code = error.code()
    if code == KafkaError.MSG_SIZE_TOO_LARGE:
        smaller = answers.shrink(outgoing.job, outgoing.record)
        return None if smaller is None else replace(outgoing, record=smaller)
    return None if code == KafkaError.TOPIC_AUTHORIZATION_FAILED else outgoing


@dataclass(slots=True, eq=False)
class Parcel:
    """What one transaction holds."""

    begun_s: float
    """When it was begun, on the monotonic clock."""
    sent: list[Outgoing] = field(default_factory=list)
    """What was produced, in that order."""
    acks: list[Ack] = field(default_factory=list)
    """What of that the broker has."""
    refused: dict[int, KafkaError] = field(default_factory=dict)
    """What of that it does not have, and why; by the identity of the outgoing."""
    places: list[TopicPartition] = field(default_factory=list)
    """The offsets that go along."""
    is_committing: bool = False
    """Whether a commit was tried: from then on only the log can tell what became of it."""

    def note(self, outgoing: Outgoing, error: KafkaError | None, message: Message) -> None:
        """A delivery report came. A record whose place is not told counts as one that the broker does not have."""
        offset = message.offset()
        if error is None and offset is not None and offset >= 0:
            self.acks.append(Ack(outgoing, offset))
        elif error is not None:
            self.refused[id(outgoing)] = error

    @property
    def is_stored(self) -> bool:
        """Whether the broker has all of it."""
        return len(self.acks) == len(self.sent)

    @property
    def proof(self) -> tuple[Record, int] | None:
        """One record and its offset, for all of a transaction is on the log or nothing; None if it holds no record."""
        return (self.acks[0].outgoing.record, self.acks[0].offset) if self.acks else None

    def reports(self) -> list[tuple[Outgoing, KafkaError | None]]:
        """What was sent, each with the reason why the broker does not have it, where it gave one."""
        return [(outgoing, self.refused.get(id(outgoing))) for outgoing in self.sent]

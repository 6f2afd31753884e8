"""What can go wrong in this room.

::

    MabosError
    └── PublishError        a record is not, or may not be, in Kafka
        ├── PublishQueueFull   the local queue stayed full; nothing was sent
        ├── PublishFailed      the broker did not acknowledge; ``may_be_stored`` says what is known
        │   └── RecordTooLarge the record is larger than the producer or the topic takes; it is not stored
        ├── ProducerStopped    the producer was stopped before
        └── ForkedClient       the producer was made before this process was forked
"""

from __future__ import annotations

from mabos.schemas.errors import MabosError


class PublishError(MabosError):
    """A record is not, or may not be, in Kafka."""


class PublishQueueFull(PublishError):
    """The local queue stayed full for the whole ``queue_full_timeout_s``; nothing was sent."""


class PublishFailed(PublishError):
    """The broker did not acknowledge a record.

    Attributes:
        may_be_stored: True when the broker may have the record all the same (its answer was lost).
    """

    def __init__(self, message: str, *, may_be_stored: bool) -> None:
        super().__init__(message)
        self.may_be_stored = may_be_stored


class RecordTooLarge(PublishFailed):
    """The record is larger than the producer or the topic takes; it is not stored."""


class ProducerStopped(PublishError):
    """The producer was stopped, and takes nothing more."""


class ForkedClient(PublishError):
    """The producer was made before this process was forked, and Kafka clients do not survive a fork."""

"""What can go wrong in this room.

::

    MabosError
    ├── InvalidSettings     a setting is refused; every problem is listed at once
    ├── BrokerUnavailable   no broker answers at the bootstrap servers
    ├── BrokerRefused       a broker answers, and will not do what was asked
    ├── TopicsDiffer        topics are not as ``topics.toml`` wants them, and only a person may decide
    ├── UnknownGroup        there is no such consumer group
    └── LocalPlatformError  a part of the local platform cannot run
        ├── DownloadFailed  a part cannot be fetched, or is not what was pinned
        ├── PortTaken       another process listens on the port
        ├── DiskProblem     a folder cannot be written, or the disk is too full
        └── StartFailed     the process started and did not become ready; ``log_file`` tells why
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mabos.schemas.errors import MabosError

_SHOWN = 10


class InvalidSettings(MabosError, ValueError):
    """One or more settings are refused.

    Attributes:
        problems: One line per refused setting, each naming it.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("invalid settings: " + "; ".join(problems))
        self.problems = tuple(problems)


class BrokerUnavailable(MabosError):
    """No broker answers at the bootstrap servers."""


class BrokerRefused(MabosError):
    """A broker answers, and will not do what was asked: a right is missing, or a policy or value forbids it."""


class TopicsDiffer(MabosError):
    """Topics are not as ``topics.toml`` wants them, and changing them would break a promise."""


class UnknownGroup(MabosError):
    """There is no such consumer group.

    Attributes:
        group: The name that was asked for.
    """

    def __init__(self, group: str, known: Sequence[str]) -> None:
        there = ", ".join(known[:_SHOWN]) + (f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else "")
        super().__init__(f"there is no consumer group {group}; there are: {there or 'none'}")
        self.group = group


class LocalPlatformError(MabosError):
    """A part of the local platform cannot run."""


class DownloadFailed(LocalPlatformError):
    """A part cannot be fetched, or what came is not what was pinned."""


class PortTaken(LocalPlatformError):
    """Another process listens on the port."""


class DiskProblem(LocalPlatformError):
    """A folder cannot be written, or the disk is too full."""


class StartFailed(LocalPlatformError):
    """The process started and did not become ready.

    Attributes:
        log_file: Where it says why; None if it has no log of its own.
    """

    def __init__(self, message: str, log_file: Path | None) -> None:
        super().__init__(message)
        self.log_file = log_file

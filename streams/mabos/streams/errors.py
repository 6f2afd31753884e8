"""What can go wrong in this room.

::

    MabosError
    ├── DatabaseUnavailable   no PostgreSQL answers at the database URL, or it does not let us in
    ├── DatabaseRefused       PostgreSQL answers, and will not do what was asked
    ├── ViewMissing           the queue has no view in this database yet
    ├── ProjectorFailed       the projector cannot go on; nothing half done was kept
    ├── RebuildRuns           the view is being made anew already, by another process
    ├── InvalidQuery          the view is asked for something that there cannot be; ``field`` names it
    └── QueryTooLong          the view would need too long for an answer
"""

from __future__ import annotations

from mabos.schemas.errors import MabosError


class DatabaseUnavailable(MabosError):
    """No PostgreSQL answers at the database URL, or it does not let us in."""


class DatabaseRefused(MabosError):
    """PostgreSQL answers, and will not do what was asked: a right is missing, or it is too old."""


class ViewMissing(MabosError):
    """The queue has no view in this database: no projector ever ran for it."""


class ProjectorFailed(MabosError):
    """The projector cannot go on, and only a restart or a person can cure it."""


class RebuildRuns(MabosError):
    """The view is being made anew already, by another process."""


class InvalidQuery(MabosError, ValueError):
    """The view is asked for something that there cannot be.

    Attributes:
        field: What is refused, such as ``cursor`` or ``limit``.
        reason: What is wrong with it, lower case.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class QueryTooLong(MabosError):
    """PostgreSQL gave up a question after ``statement_timeout``: ask for less."""

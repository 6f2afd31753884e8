"""What can go wrong in this room, and the root of every error of the project.

::

    MabosError
    ├── InvalidTask             a field of a task or response is refused; ``field`` names it
    ├── DecodeError             bytes of a record are not what they claim to be; ``code`` says how
    ├── SchemaError             a schema is refused
    │   └── IncompatibleSchema  a schema would break readers or writers; ``problems`` name the fields
    └── RegistryError           the schema registry answered with an error
        └── RegistryUnavailable it does not answer, and the cache does not know either
"""

from __future__ import annotations

from collections.abc import Sequence


class MabosError(Exception):
    """Root of all errors raised by this project. The message is one line that says what to do."""


class InvalidTask(MabosError, ValueError):
    """A field of a task or a response is refused where it enters; nothing was sent.

    Attributes:
        field: Path of the refused field, such as ``agent_id`` or ``payload.action``.
        reason: What is wrong with it, lower case.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class DecodeError(MabosError, ValueError):
    """The bytes of a record do not hold the event they should.

    Attributes:
        code: One of ``empty``, ``too_large``, ``bad_magic``, ``unknown_schema``, ``foreign_schema``,
            ``refused_schema``, ``truncated``, ``trailing_bytes``, ``not_canonical``, ``bad_text``, ``bad_value``.
        reason: What is wrong with them, lower case.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"undecodable record ({code}): {reason}")
        self.code = code
        self.reason = reason


class SchemaError(MabosError, ValueError):
    """A schema is refused."""


class IncompatibleSchema(SchemaError):
    """A schema would break readers or writers that exist already.

    Attributes:
        problems: One line per breaking change, each naming the field.
    """

    def __init__(self, subject: str, problems: Sequence[str]) -> None:
        super().__init__(f"{subject}: incompatible schema: {'; '.join(problems)}")
        self.subject = subject
        self.problems = tuple(problems)


class RegistryError(MabosError):
    """The schema registry answered with an error."""


class RegistryUnavailable(RegistryError):
    """The schema registry does not answer, and neither the cache nor the bundled schemas can stand in for it."""

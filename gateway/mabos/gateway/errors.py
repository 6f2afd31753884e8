"""What can go wrong in this room.

::

    MabosError
    └── GatewayError
        ├── AddressRefused  the gateway may not, or cannot, listen there
        ├── UnknownKey      there is no such API key
        ├── PlanUnknown     there is no such plan of a redrive, or no more
        ├── RedriveRuns     that plan is being applied elsewhere
        └── Refused         a request gets a problem for an answer; ``status`` and ``detail`` are in it
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mabos.schemas.errors import MabosError


class GatewayError(MabosError):
    """Root of this room's errors."""


class AddressRefused(GatewayError):
    """The gateway may not, or cannot, listen at the address."""


class UnknownKey(GatewayError):
    """There is no such API key."""


class PlanUnknown(GatewayError):
    """There is no such plan of a redrive, or no more, or not for this caller."""


class RedriveRuns(GatewayError):
    """The plan is being applied already."""


class Refused(GatewayError):
    """A request is answered with a problem (RFC 9457).

    Attributes:
        status: The HTTP status.
        detail: One line for people: what is wrong, and what to do.
        fields: Pairs of a field's path and what is wrong with it.
        headers: Headers of the answer, such as ``Retry-After``.
        members: Further members of the problem, as :class:`mabos.gateway.models.Problem` names them.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        fields: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, str | bool] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.fields = tuple(fields)
        self.headers = dict(headers or {})
        self.members = dict(members or {})

"""What can go wrong while measuring."""

from __future__ import annotations

from mabos.schemas.errors import MabosError


class MeasurementFailed(MabosError):
    """A contender ended, stood still, or did not do what it was asked."""

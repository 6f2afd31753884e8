"""How large a fault test is: small, or full with ``MABOS_TEST_SCALE=full``."""

from __future__ import annotations

import os

IS_FULL = os.environ.get("MABOS_TEST_SCALE", "small") == "full"


def scaled(small: int, full: int) -> int:
    """A count, by the scale of this run."""
    return full if IS_FULL else small

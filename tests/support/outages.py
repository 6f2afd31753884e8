"""A broker that goes away and comes back."""

from __future__ import annotations

import time

from mabos.kafka.local_broker import LocalBroker
from tests.support.waiting import eventually


def take_away(broker: LocalBroker, how: str, away_s: float) -> None:
    """Take the broker away for a while."""
    if how == "frozen":
        broker.pause()
    else:
        broker.kill()
    back_s = time.monotonic() + away_s
    eventually(lambda: time.monotonic() > back_s, timeout_s=2 * away_s + 1)
    if how == "frozen":
        broker.resume()
    else:
        broker.start()

"""Which partitions stand still at a record that cannot be read yet, and when each is tried again. Pure."""

from __future__ import annotations

from collections.abc import Iterable


class Holds:
    """The held partitions of a reader: what comes from one is thrown away, and read again from its record on.

    Args:
        pause_s: How long a partition is held.
    """

    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self._held: dict[int, tuple[int, float]] = {}  # offset, and when it is tried again

    @property
    def partitions(self) -> frozenset[int]:
        """What is held."""
        return frozenset(self._held)

    def __contains__(self, partition: int) -> bool:
        """Whether a partition is held; asked for each record."""
        return partition in self._held

    def hold(self, partition: int, offset: int, *, now_s: float) -> None:
        """A record could not be read; its partition goes on with it later."""
        self._held.setdefault(partition, (offset, now_s + self._pause_s))

    def forget(self, partitions: Iterable[int]) -> None:
        """Partitions are gone: their next owner reads them from what was committed."""
        for partition in partitions:
            self._held.pop(partition, None)

    def release(self, *, now_s: float) -> dict[int, int]:
        """The partitions whose time has come, no longer held, each with the offset to read from."""
        due = {partition: offset for partition, (offset, until_s) in self._held.items() if until_s <= now_s}
        self.forget(due)
        return due

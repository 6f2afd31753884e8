"""Lanes: a queue per agent, of which only the first task may be in hand. Pure.

A lane that has a task in hand hands out no other, so an agent's tasks run one at a time and in the order they came.
Lanes take turns: one that has finished goes behind those that are ready, so a hot agent does not starve its neighbours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Lanes(Generic[T]):
    """Holds items by lane key. Not thread-safe: one thread owns it."""

    def __init__(self) -> None:
        # A key is present while its lane is ready or has an item in hand; most lanes have nothing more: no deque then.
        self._waiting: dict[Hashable, deque[T] | None] = {}
        self._ready: deque[tuple[Hashable, T]] = deque()
        self._waiting_count = 0

    def add(self, key: Hashable, item: T) -> None:
        """Put an item at the end of its lane."""
        if key not in self._waiting:
            self._waiting[key] = None
            self._ready.append((key, item))
            return
        lane = self._waiting[key]
        if lane is None:
            self._waiting[key] = deque((item,))
        else:
            lane.append(item)
        self._waiting_count += 1

    def take(self) -> T | None:
        """The next item that may run, now in hand; None if every lane is empty or has one in hand."""
        return self._ready.popleft()[1] if self._ready else None

    def finish(self, key: Hashable) -> None:
        """The item in hand of a lane is done: its next one becomes ready."""
        lane = self._waiting[key]
        if lane:
            self._ready.append((key, lane.popleft()))
            self._waiting_count -= 1
        else:
            del self._waiting[key]

    def drop(self, unwanted: Callable[[T], bool]) -> list[T]:
        """Remove items that are not in hand; returns them. The order of those that stay does not change."""
        dropped: list[T] = []
        for lane in self._waiting.values():
            kept = [item for item in lane or () if not unwanted(item)]
            if lane is not None and len(kept) < len(lane):
                dropped += [item for item in lane if unwanted(item)]
                lane.clear()
                lane.extend(kept)
        ready, self._ready = self._ready, deque()
        self._waiting_count -= len(dropped)
        for key, item in ready:
            if unwanted(item):
                dropped.append(item)
                self.finish(key)
            else:
                self._ready.append((key, item))
        return dropped

    def firsts(self) -> list[T]:
        """The items that wait longest in their lanes. From any thread: what changes meanwhile may be missed."""
        found = [item for _, item in list(self._ready)]
        for lane in list(self._waiting.values()):
            with suppress(IndexError):
                found += [lane[0]] if lane else []
        return found

    @property
    def ready(self) -> int:
        """How many lanes have an item that may run."""
        return len(self._ready)

    @property
    def deepest(self) -> int:
        """How many items wait behind the first of the longest lane."""
        return max((len(lane) for lane in list(self._waiting.values()) if lane), default=0)

    def __len__(self) -> int:
        """How many items wait, ready or not; those in hand do not count."""
        return self._waiting_count + len(self._ready)

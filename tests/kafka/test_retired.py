"""Clients are ended in the background, and whoever drops one does not wait for it."""

from __future__ import annotations

import gc
import threading

from mabos.kafka.retired import retire_after
from tests.support.waiting import eventually


class Client:
    """Tells which thread ended it; its end does not come before it may."""

    def __init__(self, ended_in: list[str], may_end: threading.Event) -> None:
        self._ended_in, self._may_end = ended_in, may_end

    def __del__(self) -> None:
        self._may_end.wait(30)
        self._ended_in.append(threading.current_thread().name)


class Owner:
    """Holds a client, in a cycle that only the garbage collector can break."""

    def __init__(self, client: Client) -> None:
        self.client, self.itself = client, self
        retire_after(self, client)


def test_a_client_whose_end_does_not_come_keeps_nobody() -> None:
    """Neither the thread in which the garbage collector runs, nor whoever makes the next one."""
    ended_in: list[str] = []
    may_end = threading.Event()
    for _ in range(2):
        owner = Owner(Client(ended_in, may_end))
        del owner
        gc.collect()
    assert ended_in == []
    may_end.set()
    eventually(lambda: ended_in == ["mabos-retired"] * 2)

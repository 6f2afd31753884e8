"""A proxy between Kafka clients and a broker that loses one request, or one answer, and then is gone for a while."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self

from mabos.kafka.ports import LOOPBACK

END_TXN = 26
"""Kafka's API key of EndTxn: commit or abort a transaction."""


class BrokerProxy:
    """Passes Kafka's frames on, a connection to the broker for each that a client makes.

    Args:
        port: Where clients connect.
        broker_port: Where the broker listens.

    Attributes:
        has_lost: Set when what shall be lost was, and the proxy is gone.
    """

    def __init__(self, port: int, broker_port: int) -> None:
        self._broker_port = broker_port
        self.has_lost = threading.Event()
        self._lock = threading.Lock()
        self._doomed: tuple[int, str] | None = None
        self._is_away = False
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server((LOOPBACK, port))

    def lose(self, api_key: int, what: str) -> None:
        """Lose the next ``request`` of a kind, or the ``answer`` to it; with it go all connections."""
        self.has_lost.clear()
        self._doomed = api_key, what

    def restore(self) -> None:
        """Be there again."""
        self._is_away = False

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._go_away()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), name="proxy", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            if self._is_away:
                return
            with socket.create_connection((LOOPBACK, self._broker_port)) as broker:
                with self._lock:
                    self._open |= {client, broker}
                lost: set[bytes] = set()
                answers = threading.Thread(target=self._pass_answers, args=(client, broker, lost), daemon=True)
                answers.start()
                self._pass_requests(client, broker, lost)
                answers.join()

    def _pass_requests(self, client: socket.socket, broker: socket.socket, lost: set[bytes]) -> None:
        with suppress(OSError):
            while frame := _read_frame(client):
                if self._doomed is not None and int.from_bytes(frame[4:6]) == self._doomed[0]:
                    _, what = self._doomed
                    self._doomed = None
                    if what == "request":
                        self._go_away()
                        return
                    lost.add(frame[8:12])  # the correlation id, by which the answer is known
                broker.sendall(frame)
        self._hang_up(client, broker)

    def _pass_answers(self, client: socket.socket, broker: socket.socket, lost: set[bytes]) -> None:
        with suppress(OSError):
            while frame := _read_frame(broker):
                if frame[4:8] in lost:
                    self._go_away()
                    return
                client.sendall(frame)
        self._hang_up(client, broker)

    def _go_away(self) -> None:
        self._is_away = True
        with self._lock:
            gone = set(self._open)
        self._hang_up(*gone)
        self.has_lost.set()

    def _hang_up(self, *sockets: socket.socket) -> None:
        with self._lock:
            self._open.difference_update(sockets)
        for sock in sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _read_frame(sock: socket.socket) -> bytes:
    """One frame with its length before it; empty at the end of the connection."""
    size = _read(sock, 4)
    return size + _read(sock, int.from_bytes(size)) if size else b""


def _read(sock: socket.socket, count: int) -> bytes:
    data = sock.recv(count, socket.MSG_WAITALL)
    return data if len(data) == count else b""

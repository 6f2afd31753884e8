"""Ends Kafka clients in a thread of its own: the end of one can take long, or never come.

Python's garbage collector would end them in whatever thread it happens to run in; ``rd_kafka_destroy`` waits there for
librdkafka's threads, and was seen waiting for ever (librdkafka 2.16). Here it can keep nobody but those that follow it.
"""

from __future__ import annotations

import threading
import time
import weakref
from queue import SimpleQueue

_LETTING_GO_S = 0.2  # whoever hands a client over still holds it for a moment; the last one to let go ends it

_retired: SimpleQueue[object] = SimpleQueue()  # putting is safe also in the midst of a garbage collection
_starting = threading.Lock()
_thread: threading.Thread | None = None


def retire_after(owner: object, client: object) -> None:
    """Have a client that has nothing to close be ended in the background once its owner is gone."""
    global _thread  # noqa: PLW0603 - one thread per process, as long as it lives
    with _starting:
        if _thread is None or not _thread.is_alive():  # a forked child has none
            _thread = threading.Thread(target=_end_all, name="mabos-retired", daemon=True)
            _thread.start()
    weakref.finalize(owner, _retired.put, client).atexit = False


def _end_all() -> None:
    while True:
        client: object | None = _retired.get()
        time.sleep(_LETTING_GO_S)
        del client

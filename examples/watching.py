"""Watches responses arrive: counts them, times them, and shows them."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.text import Text

from examples.senders import Mail
from mabos.cli.output import console, one_line, print_step, progress_bar
from mabos.kafka.position import Position
from mabos.schemas import TaskResponse

SHOW_EVERY = 40
_COLOURS = {"completed": "green", "rejected": "yellow"}


class Watch:
    """Knows of each task when it was sent and when its outcome came.

    Args:
        mail: The tasks to watch.
    """

    def __init__(self, mail: list[Mail]) -> None:
        self.mail = mail
        self._open = {(one.agent_id, one.task_id): one for one in mail}
        self._sent_s: dict[tuple[str, str], float] = {}
        self._doors: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self.latencies_s: list[float] = []
        """From send to response, in the order of arrival."""
        self.took_s = 0.0
        """From the first send to the last response."""

    def note_sent(self, mail: Mail, door: str) -> None:
        """A task goes out now."""
        with self._lock:
            self._sent_s[mail.agent_id, mail.task_id] = time.monotonic()
            self._doors[door] += 1

    def take(self, response: TaskResponse, position: Position) -> None:
        """A response has come; for a ResponseFeed."""
        now_s = time.monotonic()
        key = response.agent_id, response.task_id
        with self._lock:
            task = self._open.pop(key, None) if response.status.is_terminal else None
            if task is None:
                return
            latency_s = now_s - self._sent_s[key]
            self.latencies_s.append(latency_s)
            self.took_s = now_s - min(self._sent_s.values())
            shown = len(self.latencies_s) % SHOW_EVERY == 1
        self._changed.set()
        if shown:
            console.print(_line(response, task, latency_s, position))

    def count(self, door: str) -> int:
        """How many tasks went through a door."""
        return self._doors[door]

    def wait(self, timeout_s: float, is_stopping: Callable[[], bool]) -> bool:
        """Wait until every task is answered; False if it is not in time, or somebody wants to stop."""
        deadline = time.monotonic() + timeout_s
        while self._open and time.monotonic() < deadline and not is_stopping():
            self._changed.wait(0.2)
            self._changed.clear()
        return not self._open

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show a progress bar of answered tasks meanwhile."""
        done = threading.Event()

        def draw() -> None:
            with progress_bar() as bar:
                progress = bar.add_task("answered", total=len(self.mail), note="")
                while not done.wait(0.1):
                    bar.update(progress, completed=len(self.latencies_s))
                bar.update(progress, completed=len(self.latencies_s))

        print_step(f"publishing {len(self.mail)} tasks; every {SHOW_EVERY}th response, and its partition:offset:")
        drawer = threading.Thread(target=draw)
        drawer.start()
        try:
            yield
        finally:
            done.set()
            drawer.join()


def _line(response: TaskResponse, task: Mail, latency_s: float, position: Position) -> Text:
    colour = _COLOURS.get(response.status.value, "red")
    what = f" {response.agent_id:<18} {task.payload.get('action')!s:<18} {latency_s * 1000:6.0f} ms  "
    return Text.assemble(
        "  ",
        (f"{response.status.value:<10}", colour),
        one_line(what),
        (f"{position.partition}:{position.offset}", "dim"),
    )


def percentile(ascending: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile; nan of nothing."""
    if not ascending:
        return math.nan
    return ascending[max(0, math.ceil(len(ascending) * percent / 100) - 1)]

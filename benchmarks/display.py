"""Shows a person who waits how far the measuring is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

BAR = "{task.completed:,.0f} of {task.total:,.0f}"


class Display:
    """A line per measurement; a bar while it runs if somebody watches."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._progress: Progress | None = None
        self._bar: TaskID | None = None

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def bar(self, what: str, total: int) -> Iterator[None]:
        """Show a bar while the block runs; :meth:`set` moves it."""
        if not self._console.is_terminal:
            yield
            return
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn(BAR), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True) as self._progress:
            self._bar = self._progress.add_task(what, total=total)
            yield
        self._progress = None

    def set(self, done: int) -> None:
        """How much is done."""
        if self._progress is not None and self._bar is not None:
            self._progress.update(self._bar, completed=done)

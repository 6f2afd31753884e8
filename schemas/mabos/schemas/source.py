"""Python functions made from lines of text, as dataclasses make theirs: what is the same for each call is decided once.

Nothing that a schema holds becomes code. Its names, symbols and defaults go into the namespace of the function, under
names that are numbered here; the lines hold those names only.
"""

from __future__ import annotations

import hashlib
import linecache
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Source:
    """The text of one function while it is written, and the constants that it uses."""

    def __init__(self, signature: str) -> None:
        self._lines = [f"def {signature}:"]
        self._indent = "    "
        self._constants: dict[str, Any] = {}

    def line(self, text: str) -> None:
        """Add a line at the depth of the blocks that are open."""
        self._lines.append(self._indent + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Add a line that ends in a colon; what is added inside stands below it."""
        self.line(head)
        outside = self._indent
        self._indent += "    "
        yield
        self._indent = outside

    def constant(self, value: object) -> str:
        """The name under which the function sees a value."""
        name = f"C{len(self._constants)}"
        self._constants[name] = value
        return name

    def compile(self, **names: object) -> Callable[..., Any]:
        """The function; tracebacks and debuggers show its lines.

        Args:
            names: What the lines call, under the name that they call it by.
        """
        text = "\n".join(self._lines) + "\n"
        # The same text has the same name, however often it is compiled: so linecache does not grow with it.
        file = f"<mabos {hashlib.sha256(text.encode()).hexdigest()[:16]}>"
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        namespace: dict[str, Any] = {**self._constants, **names}
        exec(compile(text, file, "exec"), namespace)  # noqa: S102 - our own lines, see above
        function: Callable[..., Any] = namespace[text[4 : text.index("(")]]
        return function

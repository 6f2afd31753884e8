"""What differs between two JSON values, and where. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import orjson

ABSENT = "(absent)"
"""Stands for a value that one side does not have."""

_MAX_CHARS = 200


class Difference(NamedTuple):
    """One place where two values differ."""

    path: str
    """Such as ``result.keywords[2].score``."""
    recorded: str
    """What stood there, as JSON; ``(absent)`` if nothing did."""
    today: str
    """What stands there now."""

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.path}: {self.recorded} -> {self.today}"


def find_differences(
    recorded: Any,  # noqa: ANN401 - any JSON value
    today: Any,  # noqa: ANN401
    ignored: Collection[str] = (),
    path: str = "",
) -> Iterator[Difference]:
    """Where two JSON values differ, outermost first.

    Args:
        recorded: One.
        today: The other.
        ignored: Members that do not count: by name, wherever they stand, or by their whole path, such as
            ``result.took_ms``; in a path, items of arrays are written ``[]``.
        path: Where the two stand.
    """
    if isinstance(recorded, dict) and isinstance(today, dict):
        for name in [*recorded, *(name for name in today if name not in recorded)]:
            there = f"{path}.{name}" if path else name
            if name not in ignored and _general(there) not in ignored:
                yield from find_differences(recorded.get(name, _NOTHING), today.get(name, _NOTHING), ignored, there)
    elif isinstance(recorded, list) and isinstance(today, list):
        for index in range(max(len(recorded), len(today))):
            ours = [items[index] if index < len(items) else _NOTHING for items in (recorded, today)]
            yield from find_differences(ours[0], ours[1], ignored, f"{path}[{index}]")
    elif _is_other(recorded, today):
        yield Difference(path, *_show(recorded, today))


class _Nothing:
    """What stands where nothing stands; not equal to any JSON value."""


_NOTHING = _Nothing()


def _is_other(recorded: Any, today: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Whether two values differ of which at least one has no members; JSON knows true and 1 apart, 1 and 1.0 not."""
    return isinstance(recorded, bool) != isinstance(today, bool) or recorded != today


def _general(path: str) -> str:
    """A path with the indexes left out: ``a[2].b`` is ``a[].b``."""
    if "[" not in path:
        return path
    head, *rest = path.split("[")
    return head + "".join("[]" + part.partition("]")[2] for part in rest)


def _show(recorded: Any, today: Any) -> tuple[str, str]:  # noqa: ANN401 - any JSON value
    """Both values as JSON; of long texts, the part round the first character that differs."""
    ours, theirs = _dump(recorded), _dump(today)
    if max(len(ours), len(theirs)) <= _MAX_CHARS:
        return ours, theirs
    same = next((at for at, (one, other) in enumerate(zip(ours, theirs, strict=False)) if one != other), 0)
    start = max(0, min(same, len(ours), len(theirs)) - _MAX_CHARS // 4)
    return _cut(ours, start), _cut(theirs, start)


def _cut(text: str, start: int) -> str:
    end = start + _MAX_CHARS
    return ("..." if start else "") + text[start:end] + ("..." if end < len(text) else "")


def _dump(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return ABSENT if isinstance(value, _Nothing) else orjson.dumps(value).decode()

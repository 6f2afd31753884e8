"""Inquiries about dead letters: what may be asked of a view, as :mod:`mabos.streams.inquiries` has it for tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mabos.streams import letter_queries
from mabos.streams.filters import check_agent_patterns
from mabos.streams.inquiries import DEFAULT_LIMIT, Inquiry, check_limit
from mabos.streams.letters import LetterCursor, LetterFilter, LetterGroup, ViewedLetter

MAX_GROUPS = 200
"""The most groups that are given: the most frequent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterPage:
    """A page of a list."""

    letters: tuple[ViewedLetter, ...]
    """The letters, newest first."""
    cursor: str | None
    """Where the next page begins; None when this one is the last."""


def list_letters(
    wanted: LetterFilter, topic: str, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Inquiry[LetterPage]:
    """A page of the letters that fit, newest first.

    Args:
        wanted: Which letters.
        topic: The dead-letters topic of the queue.
        cursor: Where the page before said that it goes on; None to begin at the newest.
        limit: The most letters of the page, up to 1000.
    """
    check_limit(limit)
    after = None if cursor is None else LetterCursor.parse(cursor)
    if wanted.sees_nothing:
        return LetterPage(letters=(), cursor=None)
    rows = yield letter_queries.list_letters(wanted, topic, after, limit + 1)
    letters = tuple(map(ViewedLetter.from_row, rows[:limit]))
    return LetterPage(letters=letters, cursor=str(letters[-1].cursor) if len(rows) > limit else None)


def group_letters(wanted: LetterFilter, topic: str) -> Inquiry[tuple[LetterGroup, ...]]:
    """The causes of the letters that fit, the most frequent first, 200 at most."""
    if wanted.sees_nothing:
        return ()
    rows = yield letter_queries.group_letters(wanted, topic, MAX_GROUPS)
    return tuple(map(LetterGroup.from_row, rows))


def pick_letters(wanted: LetterFilter, topic: str, limit: int) -> Inquiry[tuple[ViewedLetter, ...]]:
    """The oldest letters that fit, at most so many."""
    if wanted.sees_nothing:
        return ()
    rows = yield letter_queries.pick_letters(wanted, topic, limit)
    return tuple(map(ViewedLetter.from_row, rows))


def find_letters(
    places: Sequence[tuple[int, int]], topic: str, *, agents: Sequence[str] | None = None
) -> Inquiry[tuple[ViewedLetter, ...]]:
    """The letters at some places, in the order of their places; those that the view does not have are left out.

    Args:
        places: Partitions and offsets.
        topic: The dead-letters topic of the queue.
        agents: Of agents that fit one of these patterns only: what the caller may see.
    """
    check_agent_patterns(agents)
    if not places:
        return ()
    rows = yield letter_queries.find_letters(places, agents, topic, limit=len(places))
    return tuple(map(ViewedLetter.from_row, rows))

"""Matches what an audit has spilled, one bucket after the other, and then checks the order over all of them."""

from __future__ import annotations

from collections.abc import Callable

from mabos.streams.audit import Found, Scope, Tally, Turn, find_disorder, join
from mabos.streams.spill import Spill

_RUN_TURNS = 32_768

Progress = Callable[[str, int, int], None]
"""Is told what is being done, and how much of how much is done."""


def match(spill: Spill, scope: Scope, take: Callable[[Found], None], on_progress: Progress) -> Tally:
    """Join requests and responses, and check that the outcomes of each agent stand in the order of its requests.

    Args:
        spill: All entries, requests before responses.
        scope: What can be judged.
        take: Called with each finding.
        on_progress: Called before each bucket, and at the end.

    Returns:
        What was counted.
    """
    tally, turns = Tally(), list[Turn]()
    for number, entries in enumerate(spill.buckets()):
        on_progress("matching", number, spill.count)
        for found in join(entries, scope, tally, turns):
            take(found)
        if len(turns) >= _RUN_TURNS:
            spill.add_turns(turns)
            turns.clear()
    spill.add_turns(turns)
    turns.clear()
    for found in find_disorder(spill.turns()):
        take(found)
    on_progress("matching", spill.count, spill.count)
    return tally

"""Which tasks of the past a command's options pick."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from mabos.cli.selecting import Outcome, read_places, select
from mabos.schemas import Status


def test_places_are_offsets_or_whole_positions() -> None:
    """As people type them, and as all commands print them."""
    assert read_places("--from", ["3:1200", "mabos.tasks.requests:4:7"], "tasks") == {3: 1200, 4: 7}


@pytest.mark.parametrize("texts", [["3"], ["3:"], ["a:1"], ["mabos.other.requests:4:7"], ["1:2", "1:3"], ["-1:4"]])
def test_what_is_no_place_is_refused(texts: list[str]) -> None:
    """Also a position of another topic, and a partition that is named twice."""
    with pytest.raises(typer.BadParameter):
        read_places("--from", texts, "tasks")


def test_outcomes_are_statuses_and_none() -> None:
    """``unanswered`` are those that have no outcome."""
    nothing: Any = None
    rest = (nothing,) * 4
    selection = select("tasks", None, None, None, [Outcome.UNANSWERED, Outcome.FAILED], *rest)
    assert selection.statuses == {None, Status.FAILED}
    assert select("tasks", None, None, None, None, *rest).statuses == frozenset()

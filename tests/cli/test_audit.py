"""``mabos audit``: what a person and a program are told of a queue."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas import Status
from tests.cli.command import InProcess, Mabos, Typed
from tests.support.planting import Planter


@pytest.fixture
def planter(settings: Settings) -> Planter:
    """A queue in which three tasks of one agent are asked in partition 3, and answered."""
    planter = Planter(settings)
    planter.ask(3, ("a", "1"), ("a", "2"), ("a", "3"))
    planter.answer(3, ("a", "1"), ("a", "2"), ("a", "3"))
    return planter


@pytest.fixture
def typed(mabos: Mabos, in_process: InProcess) -> Typed:
    """The command, in this process."""
    return in_process(mabos)


def test_a_person_sees_what_is_wrong_and_where(settings: Settings, planter: Planter, typed: Typed) -> None:
    """Exit code 0 while it holds, 1 when it does not; counts and positions on standard output."""
    done = typed("audit", "--grace", "0")
    assert (done.code, done.err) == (
        0,
        "holds: every task that can be judged has one outcome, in its place and in order\n",
    )
    planter.answer(3, ("a", "2"), status=Status.FAILED)
    assert typed("audit", "--grace", "0").code == 0
    strict = typed("audit", "--grace", "0", "--strict", "-o", "json")
    assert strict.code == 1
    place = f"{Queue(name=settings.queue).responses}:3:3"
    assert json.loads(strict.out)["findings"] == [{"finding": "superseded", "position": place}]
    planter.ask(3, *(("a", f"lost-{number}") for number in range(12)))
    done = typed("audit", "--grace", "0", "--since", datetime.fromtimestamp(0, UTC).isoformat())
    assert done.code == 1
    assert "unanswered  12\n" in done.out
    assert done.out.count(f"unanswered  {Queue(name=settings.queue).requests}:3:") == 10
    assert "10 of 12 violations are shown: --all shows each" in done.err
    assert done.err.endswith("VIOLATED: 12 records break what is promised\n")
    lines = typed("audit", "--grace", "0", "-o", "ndjson").rows()
    assert [line["finding"] for line in lines[:-1]] == ["unanswered"] * 12
    assert (lines[-1]["unanswered"], lines[-1]["holds"]) == (12, False)
    assert len(json.loads(typed("audit", "--grace", "0", "--all", "-o", "json").out)["findings"]) == 12


def test_what_cannot_be_audited_is_one_line(typed: Typed, mabos: Mabos) -> None:
    """A queue or a group that is not there, and a time that is none."""
    for arguments, code, problem in (
        (("--queue", "none"), 1, "topic mabos.none.responses does not exist: run `mabos topics apply`"),
        (("--since", "noon"), 2, "--since: must be so long ago, such as 90m or 7d"),
        (("--group", "nobody"), 2, "there is no consumer group nobody; there are:"),
    ):
        done = typed("audit", *arguments)
        assert (done.code, done.out) == (code, "")
        assert done.error.startswith(problem)

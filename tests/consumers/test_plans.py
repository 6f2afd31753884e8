"""What must stay the same when a reprocessing goes on later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mabos.consumers.errors import InvalidReplay
from mabos.consumers.plans import Plans, ReplayPlan
from mabos.consumers.reprocessing import OffsetSet
from mabos.consumers.selection import Reach, Selection, Stretch
from mabos.kafka.position import Position
from mabos.schemas.events import Status
from mabos.schemas.fields import new_task_id

offsets = st.dictionaries(st.integers(0, 20), st.integers(0, 2**40), max_size=4)
plans = st.builds(
    ReplayPlan,
    queue=st.just("tasks"),
    replay_id=st.builds(lambda number: str(UUID(int=number)), st.integers(0, 2**128 - 1)),
    selection=st.builds(
        Selection,
        agent_id=st.none() | st.just("ä"),
        action=st.none() | st.text(),
        statuses=st.frozensets(st.none() | st.sampled_from(sorted(Status))),
        begin=offsets,
        since_ms=st.none() | st.integers(0, 2**41),
    ),
    reach=st.builds(
        Reach,
        stretches=st.dictionaries(
            st.integers(0, 20), st.builds(Stretch, st.integers(0, 99), st.integers(100, 2**40)), max_size=3
        ),
        requests_end=offsets,
        responses_end=offsets,
        remarks=st.lists(st.text(), max_size=2).map(tuple),
    ),
    deadlines=st.sampled_from(["drop", "keep", "shift"]),
    takes_replays=st.booleans(),
)


def make_plan() -> ReplayPlan:
    return ReplayPlan(
        queue="tasks", selection=Selection(), reach=Reach(stretches={}, requests_end={0: 5}, responses_end={0: 5})
    )


@given(plans)
def test_a_plan_comes_back_from_its_json_as_it_was(plan: ReplayPlan) -> None:
    """Whatever is asked for, and however far it reaches."""
    assert ReplayPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


@pytest.mark.parametrize("value", [{}, {"selection": 1}, make_plan().to_json() | {"replay_id": "x"}])
def test_what_is_no_plan_is_refused(value: dict[str, Any]) -> None:
    """In one line, whatever it is."""
    with pytest.raises(InvalidReplay, match="no plan"):
        ReplayPlan.from_json(value)


def test_new_names_come_from_the_replay_and_the_old_place() -> None:
    """The same each time; another one for another place or another replay."""
    plan, other = make_plan(), make_plan()
    place, next_place = Position("t", 0, 1), Position("t", 0, 2)
    assert plan.new_task_id(place) == plan.new_task_id(place)
    assert len({plan.new_task_id(place), plan.new_task_id(next_place), other.new_task_id(place)}) == 3


def test_a_folder_keeps_plans(tmp_path: Path) -> None:
    """Each is found under its id; of others, and of files that are none, it is said."""
    kept, plan = Plans(tmp_path / "new"), make_plan()
    kept.save(plan)
    assert kept.load(plan.replay_id) == plan
    unknown = new_task_id()
    with pytest.raises(InvalidReplay, match="nothing is known"):
        kept.load(unknown)
    with pytest.raises(InvalidReplay, match="no id"):
        kept.load("../secrets")
    (tmp_path / "new" / f"{unknown}.json").write_text("[")
    with pytest.raises(InvalidReplay, match="cannot be read"):
        kept.load(unknown)


def test_a_replay_is_run_by_one_at_a_time(tmp_path: Path) -> None:
    """Who comes second is told; when the first is done, it may."""
    kept, plan = Plans(tmp_path), make_plan()
    kept.save(plan)
    with kept.claim(plan.replay_id), pytest.raises(InvalidReplay, match="runs already"), kept.claim(plan.replay_id):
        pass
    with kept.claim(plan.replay_id):
        pass


@given(st.sets(st.integers(95, 210)))
def test_a_set_of_offsets_is_one(added: set[int]) -> None:
    """Of a stretch: what was added is in it, and nothing else."""
    found = OffsetSet(Stretch(100, 200))
    for offset in added:
        found.add(offset)
    assert {offset for offset in range(90, 200) if offset in found} == {one for one in added if 100 <= one < 200}

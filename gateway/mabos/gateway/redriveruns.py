"""Redrives: dead letters are chosen, a plan is made and kept, and exactly that plan is applied, once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mabos.gateway.errors import PlanUnknown
from mabos.gateway.principals import Principal
from mabos.gateway.redrivestore import Claim, Holder, KeptPlan, RedriveStore
from mabos.kafka.clients import open_registry
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas.jsontext import encode_object
from mabos.streams.inquiries import Inquiry
from mabos.streams.letter_inquiries import find_letters, pick_letters
from mabos.streams.letters import LetterFilter, ViewedLetter
from mabos.streams.redrive_plans import MAX_LETTERS, Draft, RedrivePlan, Refusal, Step
from mabos.streams.redriving import Redriven, Redriving
from mabos.streams.view import TaskView

_PLACES = 1000  # asked of the view at a time

OnProgress = Callable[[int, int], None]
"""Told how many letters are done with, and of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which letters to redrive: those at some places, or those that fit and were not redriven."""

    places: tuple[Position, ...] = ()
    fitting: LetterFilter | None = None
    payload: Mapping[str, Any] | None = None
    """What to ask instead of what was asked; of a single letter only."""


class Redrives:
    """Plans redrives and applies them. From any thread; each call takes as long as it takes.

    Args:
        settings: Where Kafka, the registry and the database are, and which queue.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self._topic = settings, Queue(name=settings.queue).dead_letters
        self._store = RedriveStore(settings)

    def plan(self, wanted: Wanted, caller: Principal) -> RedrivePlan:
        """Make a plan, and keep it. Nothing is published.

        Args:
            wanted: Which letters.
            caller: Who asks: letters of agents that it may not reach are as if they were not there.

        Raises:
            InvalidTask: The payload is refused.
            InvalidQuery: What is asked for is refused.
            BrokerUnavailable: No broker answers.
            RegistryError: The registry is away, and a schema is not known.
            DatabaseUnavailable: The database is away.
            ViewMissing: There is no view.
        """
        max_bytes = self._settings.max_payload_bytes
        payload = wanted.payload
        text = None if payload is None else encode_object("payload", payload, max_bytes=max_bytes)
        with TaskView(self._settings) as view:
            if wanted.fitting is not None:
                found = view.ask(pick_letters(wanted.fitting, self._topic, MAX_LETTERS + 1))
            else:
                reach = None if caller.reaches_all else caller.agents
                found = _ask_for(view.ask, [(p.partition, p.offset) for p in wanted.places], self._topic, reach)
        there = {(letter.partition, letter.offset) for letter in found}
        missing = [place for place in dict.fromkeys(wanted.places) if (place.partition, place.offset) not in there]
        draft = Draft(
            queue=self._settings.queue,
            topic=self._topic,
            letters=found[:MAX_LETTERS],
            missing=tuple(Refusal(str(place), "the view has no such letter") for place in missing),
            has_more=len(found) > MAX_LETTERS,
            payload_json=text,
        )
        plan = Redriving(self._settings, open_registry(self._settings)).draw_up(draft)
        self._store.keep(plan, caller.name)
        return plan

    def find(self, plan_id: str, caller: Principal) -> KeptPlan:
        """A plan, of agents that the caller may reach.

        Raises:
            PlanUnknown: There is none of that id, or no more.
            DatabaseUnavailable: The database is away.
        """
        kept = self._store.find(plan_id)
        _check(kept.plan, caller)
        return kept

    def apply(self, plan_id: str, caller: Principal, on_progress: OnProgress = lambda *_: None) -> dict[str, Any]:
        """Publish exactly what a plan says; of one that was applied, say again what was.

        A plan whose application was cut off goes on: what it published is read from the log first.

        Returns:
            What was published, as JSON has it.

        Raises:
            PlanUnknown: There is none of that id, or no more.
            RedriveRuns: It is being applied elsewhere.
            BrokerUnavailable: No broker answers.
            RegistryError: The registry is away, and a schema is not known.
            DatabaseUnavailable: The database is away.
            PublishError: A task was not acknowledged: apply it again, and it goes on.
        """
        with self._store.claim(plan_id) as claim:
            kept, plan = claim.kept, claim.kept.plan
            _check(plan, caller)
            if kept.result is not None:
                return kept.result
            redriving = Redriving(self._settings, open_registry(self._settings))
            done: dict[tuple[int, int], Position] = {}
            if kept.begins is None:
                claim.begin(redriving.read_ends())
            else:
                done = redriving.find_published(plan, kept.begins)
            refused = self._find_redriven(claim)
            published = redriving.publish(
                plan, done, refused, on_progress=lambda count: on_progress(count, len(plan.steps))
            )
            result = _show(plan, published)
            claim.finish(result, [task["task_id"] for task in result["tasks"]])
        return result

    def _find_redriven(self, claim: Claim) -> dict[tuple[int, int], str]:
        """The letters of a plan whose tasks another one does again, with that as the reason.

        What the view knows is not all: another plan may just have published. So the tasks are claimed first. One whose
        new task is over, as the view says, may be done again.
        """
        plan = claim.kept.plan
        held = claim.take_tasks()
        places = [(step.partition, step.offset) for step in plan.steps]
        with TaskView(self._settings) as view:
            letters = {(at.partition, at.offset): at for at in _ask_for(view.ask, places, self._topic, None)}
        whys: dict[tuple[int, int], str] = {}
        over: dict[Step, Holder] = {}
        for step, place in zip(plan.steps, places, strict=True):
            letter, holder = letters.get(place), held.get((step.agent_id, step.old_task_id))
            again = None if letter is None else letter.redriven_as
            if again is not None and again.task_id != step.task_id:
                whys[place] = f"it was redriven meanwhile: task {again.task_id} is {again.state}"
            elif holder is not None:
                whys[place] = f"it is redriven by plan {holder.plan_id}, as task {holder.new_task_id}"
                if letter is not None and holder.new_task_id in {task.task_id for task in letter.redriven}:
                    over[step] = holder
        got = claim.take_over(over)
        for step in over:
            if (step.agent_id, step.old_task_id) in got:
                del whys[step.partition, step.offset]
        return whys


def _ask_for(
    ask: Callable[[Inquiry[tuple[ViewedLetter, ...]]], tuple[ViewedLetter, ...]],
    places: Sequence[tuple[int, int]],
    topic: str,
    reach: Sequence[str] | None,
) -> tuple[ViewedLetter, ...]:
    stretches = [places[begin : begin + _PLACES] for begin in range(0, len(places), _PLACES)]
    return tuple(
        itertools.chain.from_iterable(ask(find_letters(stretch, topic, agents=reach)) for stretch in stretches)
    )


def _check(plan: RedrivePlan, caller: Principal) -> None:
    """A plan with tasks for others is none."""
    if not all(map(caller.may_reach, plan.agents)):
        raise PlanUnknown(f"there is no plan {plan.plan_id} for your agents")


def _show(plan: RedrivePlan, published: Redriven) -> dict[str, Any]:
    return {
        "plan_id": plan.plan_id,
        "published": len(published.positions),
        "tasks": [
            {
                "letter": str(step.position(plan.topic)),
                "task_id": step.task_id,
                "position": str(published.positions[step.partition, step.offset]),
            }
            for step in plan.steps
            if (step.partition, step.offset) in published.positions
        ],
        "refused": [refusal._asdict() for refusal in published.refused],
    }

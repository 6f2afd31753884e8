"""Redriving: draws up plans for dead letters, and publishes what a plan says.

It goes through the live topic, so each agent's order holds, and publishes tasks of their own that name the old ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

from mabos.consumers.lineage import REDRIVE, HeadersRead, ReplayOf, redrive_headers
from mabos.consumers.republishing import Republisher, find_republished
from mabos.kafka.admin import Cluster
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.producers.errors import RecordTooLarge
from mabos.schemas.codec import REQUEST, Codec
from mabos.schemas.errors import DecodeError
from mabos.schemas.events import TaskRequest
from mabos.schemas.registry import SchemaRegistry
from mabos.streams.letter_contents import read_letters
from mabos.streams.letter_rows import Letter, split_headers
from mabos.streams.letters import MAY_BECOME_READABLE
from mabos.streams.redrive_plans import Draft, RedrivePlan, Refusal, Step, make_plan

_GONE = "the log no more has it"

Found = Mapping[tuple[int, int], Position]
"""Where the new tasks stand, by partition and offset of their letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redriven:
    """What was published by a plan."""

    positions: dict[tuple[int, int], Position]
    """Where the new tasks stand, by partition and offset of their letters."""
    refused: tuple[Refusal, ...]
    """Letters of the plan that could not be published."""


class Redriving:
    """Draws up plans and carries them out.

    Args:
        settings: Where Kafka is, and which queue.
        registry: Where schemas are looked up.

    Raises:
        RegistryError: The schema of requests is not registered, or the registry is away and never told its id.
    """

    def __init__(self, settings: Settings, registry: SchemaRegistry) -> None:
        self._settings, queue = settings, Queue(name=settings.queue)
        self._letters, self._requests = queue.dead_letters, queue.requests
        self._codec = Codec.for_topic(REQUEST, queue.requests, registry)

    def draw_up(self, draft: Draft) -> RedrivePlan:
        """The plan for the letters that were chosen; those that may be decodable by now are looked at.

        Raises:
            BrokerUnavailable: No broker answers.
            RegistryUnavailable: A writer schema is not known, and the registry does not answer.
        """
        begins = Cluster(self._settings).begin_offsets(self._letters)
        unreadable = {
            (letter.partition, letter.offset): _GONE
            for letter in draft.letters
            if letter.offset < begins.get(letter.partition, 0)
        }
        doubtful = [
            place
            for letter in draft.letters
            if letter.code in MAY_BECOME_READABLE and (place := (letter.partition, letter.offset)) not in unreadable
        ]
        with closing(read_letters(self._settings, self._letters, doubtful)) as found:
            for letter in found:
                if isinstance(request := self._read(letter), str):
                    unreadable[letter.place.partition, letter.offset] = request
        return make_plan(replace(draft, unreadable=unreadable))

    def read_ends(self) -> dict[int, int]:
        """Where the requests end now, by partition: before anything of a plan is published, it is remembered."""
        return Cluster(self._settings).end_offsets(self._requests)

    def find_published(self, plan: RedrivePlan, begins: Mapping[int, int]) -> dict[tuple[int, int], Position]:
        """The new tasks of a plan that stand in the log already.

        Args:
            plan: The plan.
            begins: Where the requests ended before the first of them was published.
        """
        found: dict[tuple[int, int], Position] = {}
        for letter, new in find_republished(self._settings, begins, REDRIVE, plan.plan_id):
            found.setdefault((letter.partition, letter.offset), new)
        return found

    def publish(
        self,
        plan: RedrivePlan,
        done: Found,
        refused: Mapping[tuple[int, int], str],
        *,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> Redriven:
        """Publish what a plan says, but for what is done.

        Args:
            plan: The plan.
            done: Its tasks that stand in the log already.
            refused: Its letters that shall be left out, with the reason.
            on_progress: Told how many of its letters are done with.

        Raises:
            BrokerUnavailable: No broker answers.
            RegistryUnavailable: A writer schema is not known, and the registry does not answer.
            PublishError: A task was not acknowledged.
        """
        left = {(step.partition, step.offset): step for step in plan.steps}
        positions, whys = dict(done), dict(refused)
        wanted = [place for place in left if place not in done and place not in refused]
        with (
            Republisher(self._settings, self._codec, client_id="mabos-redrive") as republisher,
            closing(read_letters(self._settings, self._letters, wanted)) as letters,
        ):
            for letter in letters:
                republisher.check()
                place = letter.place.partition, letter.offset
                task = self._renew(plan, left[place], letter)
                if isinstance(task, str):
                    whys[place] = task
                else:
                    try:
                        republisher.publish(*task, partial(positions.__setitem__, place))
                    except RecordTooLarge as error:
                        whys[place] = str(error)
                on_progress(len(positions) + len(whys))
        on_progress(len(left))
        return Redriven(
            positions=positions,
            refused=tuple(
                Refusal(str(Position(self._letters, *place)), whys.get(place, _GONE))
                for place in left
                if place not in positions
            ),
        )

    def _renew(self, plan: RedrivePlan, step: Step, letter: Letter) -> tuple[TaskRequest, HeadersRead] | str:
        """The new task and its headers, or why there is none."""
        old = self._read(letter)
        if isinstance(old, str):
            return old
        if old.agent_id != step.agent_id:
            return "its request is of another agent than its letter says"
        new = TaskRequest(
            task_id=step.task_id,
            agent_id=step.agent_id,
            payload_json=old.payload_json if plan.payload_json is None else plan.payload_json,
        )
        named = ReplayOf(agent_id=step.agent_id, task_id=step.old_task_id, position=step.position(plan.topic))
        kept = [(name, data or b"") for name, data in split_headers(letter.headers)[0]]
        return new, redrive_headers(named, kept, plan.plan_id)

    def _read(self, letter: Letter) -> TaskRequest | str:
        """The request in a letter, or what is wrong with it."""
        try:
            request = self._codec.decode(letter.value)
        except DecodeError as error:
            return f"the record is still no task request: {error.reason}"
        if letter.key != request.agent_id.encode():
            return "its key is not the id of its agent: publish the task anew"
        return request

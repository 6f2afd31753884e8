"""Write ``tasks.jsonl``: 400 tasks for 42 agents, the same ones every time.

    python examples/make_tasks.py

Every line is a task that may be sent. One line in twelve, though, asks for something its agent must refuse: an action
nobody knows, a field that is missing, blank or of the wrong type, a table with a row too long.
"""

import json
import random
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

FOLDER = Path(__file__).resolve().parent
TASKS_FILE = FOLDER / "tasks.jsonl"

# How many tasks each agent gets: one is hot, some are busy, most are not. The name's first part is the desk.
LOAD = {
    "support-07": 60, "support-01": 22, "support-02": 18, "support-03": 9, "support-04": 9, "support-05": 6,
    "support-06": 5, "support-08": 4, "newsroom-berlin": 24, "newsroom-tokyo": 16, "newsroom-oslo": 9,
    "newsroom-lagos": 7, "newsroom-geneva": 5, "lab-01": 12, "lab-02": 9, "lab-03": 5, "lab-04": 3, "lab-05": 7,
    "lab-06": 2, "lab-07": 20, "lab-08": 6, "legal-01": 12, "legal-02": 8, "privacy-01": 15, "library-01": 9,
    "library-kyoto": 6, "archive-01": 11, "kitchen-01": 6, "kitchen-02": 5, "travel-01": 8, "travel-reviews": 6,
    "clinic-north": 6, "clinic-south": 5, "clinic-east": 3, "school-4b": 6, "school-7a": 4, "finance-01": 8,
    "finance-02": 6, "audit-01": 3, "harbour-control": 8, "harbour-pilots": 4, "probe-01": 3,
}  # fmt: skip
SHARED_DESKS = {"archive": "library", "audit": "finance"}  # whose texts they work on
ACTIONS = {
    "support": ("summarize", "extract_keywords", "redact", "redact", "word_count"),
    "privacy": ("redact",),
    "probe": ("test",),
    "archive": ("word_count", "extract_keywords"),
    "audit": ("describe_csv", "summarize"),
}
DESK_ACTIONS = ("summarize", "summarize", "extract_keywords", "word_count", "describe_csv", "echo")
SPOILED_EVERY = 12  # lines
SPOILED_FIRST = 5

Payload = dict[str, Any]
T = TypeVar("T")


class Material:
    """The texts and tables the tasks are made of, and the dice that pick them."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - the same tasks every time is the point
        self.passages: dict[str, list[str]] = _load("passages.toml")
        self.tables: dict[str, list[str]] = _load("tables.toml")
        self._tickets: dict[str, list[str]] = _load("tickets.toml")

    def below(self, limit: int) -> int:
        """Return a number from 0 to limit - 1; ``random()`` alone is promised to stay the same between Pythons."""
        return int(self._random.random() * limit)

    def pick(self, choices: Sequence[T]) -> T:
        """Return one of the choices."""
        return choices[self.below(len(choices))]

    def shuffle(self, items: Sequence[T]) -> list[T]:
        """Return the items in another order."""
        shuffled = list(items)
        for last in range(len(shuffled) - 1, 0, -1):
            other = self.below(last + 1)
            shuffled[last], shuffled[other] = shuffled[other], shuffled[last]
        return shuffled

    def ticket(self) -> str:
        """Return a support ticket."""
        parts = (self.pick(self._tickets[key]) for key in ("openings", "problems", "wishes", "contacts"))
        details = {
            key: self.pick(self._tickets[f"{key}s"]) for key in ("product", "mail", "phone", "card", "iban", "day")
        }
        return " ".join(parts).format(order=f"N-{10_000 + self.below(90_000)}", **details)

    def text(self, desk: str) -> str:
        """Return a text the desk has to do with: a ticket, or one to three passages."""
        passages = self.passages.get(desk)
        if passages is None:
            return self.ticket()
        return "\n".join(self.shuffle(passages)[: 1 + self.below(3)]).strip()

    def table(self, desk: str) -> str:
        """Return a table of the desk, or any good one if it has none."""
        good = [table for name in sorted(self.tables) if name != "ragged" for table in self.tables[name]]
        return self.pick(self.tables.get(desk, good)).lstrip("\n")


def _load(name: str) -> dict[str, list[str]]:
    return tomllib.loads((FOLDER / "material" / name).read_text(encoding="utf-8"))


def make_tasks(seed: int = 7) -> list[dict[str, Any]]:
    """Make the tasks, in the order in which they are to be sent."""
    material = Material(seed)
    numbers = dict.fromkeys(LOAD, 0)
    tasks = []
    for line, agent_id in enumerate(material.shuffle([agent for agent, load in LOAD.items() for _ in range(load)])):
        numbers[agent_id] += 1
        payload = _make_payload(material, agent_id.split("-")[0])
        if line % SPOILED_EVERY == SPOILED_FIRST:
            payload = SPOILERS[line // SPOILED_EVERY % len(SPOILERS)](material, payload)
        tasks.append({"task_id": f"{agent_id}-{numbers[agent_id]:03}", "agent_id": agent_id, "payload": payload})
    return tasks


def _make_payload(material: Material, desk: str) -> Payload:
    """Make a task that can be done."""
    action = material.pick(ACTIONS.get(desk, DESK_ACTIONS))
    source = SHARED_DESKS.get(desk, desk)
    payload: Payload = {"action": action}
    if action == "describe_csv":
        return payload | {"csv": material.table(source)}
    if action == "echo":
        return payload | {"note": material.text(source).split(". ")[0], "ticket": {"priority": material.below(5)}}
    if action == "test":
        return payload
    payload["text"] = material.text(source)
    if action == "summarize":
        payload["sentences"] = 1 + material.below(4)
    if action == "extract_keywords" and material.below(2):
        payload["count"] = material.pick((3, 5, 10))
    if action == "redact" and not material.below(4):
        payload["kinds"] = material.pick((["email"], ["email", "phone"], ["card", "iban"]))
    return payload


def _misname_action(material: Material, payload: Payload) -> Payload:
    return payload | {
        "action": material.pick(("translate", "sumarize", "Summarize", "word-count", "delete_everything"))
    }


def _drop_field(material: Material, _: Payload) -> Payload:
    field = material.pick(("txt", "body", "content"))
    return {"action": material.pick(("summarize", "extract_keywords", "redact")), field: material.text("library")}


def _mistype_field(material: Material, _: Payload) -> Payload:
    text = material.text("newsroom")
    return material.pick(
        (
            {"action": "summarize", "text": text, "sentences": "a few"},
            {"action": "summarize", "text": text, "sentences": 0},
            {"action": "extract_keywords", "text": text.split("\n"), "count": 5},
            {"action": "extract_keywords", "text": text, "count": 5000},
            {"action": "word_count", "text": 42},
            {"action": "redact", "text": text, "kinds": ["email", "shoe size"]},
        )
    )


def _blank_text(material: Material, _: Payload) -> Payload:
    action = material.pick(("summarize", "word_count", "redact", "extract_keywords"))
    return {"action": action, "text": material.pick(("", "   ", "\n\n"))}


def _break_table(material: Material, _: Payload) -> Payload:
    return {"action": "describe_csv", "csv": material.table("ragged")}


SPOILERS: tuple[Callable[[Material, Payload], Payload], ...] = (
    _misname_action,
    _drop_field,
    _mistype_field,
    _blank_text,
    _break_table,
)


def render_tasks() -> str:
    """Return the content of the file, one JSON object per line."""
    return "".join(json.dumps(task, ensure_ascii=False) + "\n" for task in make_tasks())


def main() -> None:
    """Write the file."""
    TASKS_FILE.write_text(render_tasks(), encoding="utf-8", newline="\n")
    print(f"{TASKS_FILE.name}: {len(make_tasks())} tasks, {TASKS_FILE.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()

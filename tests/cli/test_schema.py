"""``mabos schema``: a schema that would break somebody is refused, and the field is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mabos.kafka.settings import Settings
from mabos.schemas import REQUEST
from tests.cli.command import InProcess, Mabos, Typed


@pytest.fixture
def mabos(mabos: Mabos, in_process: InProcess) -> Typed:
    """The command, in this process."""
    return in_process(mabos)


@pytest.fixture
def lone_mabos(lone_mabos: Mabos, in_process: InProcess) -> Typed:
    """The command where nothing answers, in this process."""
    return in_process(lone_mabos)


@pytest.fixture
def change(tmp_path: Path) -> Callable[[Callable[[dict[str, Any]], Any]], str]:
    """Write the request schema with a change to a file."""

    def write(edit: Callable[[dict[str, Any]], Any]) -> str:
        schema = json.loads(REQUEST.schema_text)
        edit(schema)
        file = tmp_path / "changed.avsc"
        file.write_text(json.dumps(schema))
        return str(file)

    return write


Change = Callable[[Callable[[dict[str, Any]], Any]], str]


def test_the_bundled_schemas_are_compatible(mabos: Typed, settings: Settings) -> None:
    """With themselves, and with what the registry has; each is in the table."""
    done = mabos("schema", "check")
    assert (done.code, done.err) == (0, "")
    assert [line.split()[1:3] for line in done.out.splitlines()[1:]] == [
        [f"mabos.{settings.queue}.{topic}-value", "compatible"] for topic in ("requests", "responses", "controls")
    ]


def test_a_breaking_schema_names_the_field(mabos: Typed, change: Change) -> None:
    """Exit code 1; a row per problem, with the field and whom it breaks; and it cannot be registered."""
    file = change(lambda schema: schema["fields"].append({"name": "urgency", "type": "int"}))
    done = mabos("schema", "check", file, "-o", "json")
    assert done.code == 1
    (row,) = [row for row in json.loads(done.out) if "version" in row["problem"]]
    assert (row["schema"], row["result"]) == (file, "breaks")
    assert "urgency" in row["problem"]
    registered = mabos("schema", "register", file)
    assert registered.code == 1
    assert "urgency" in registered.error


def test_offline_needs_nobody(lone_mabos: Typed, change: Change) -> None:
    """Compared with the bundled schemas alone: a new field with a default passes, a missing one does not."""
    good = change(lambda schema: schema["fields"].append({"name": "urgency", "type": ["null", "int"], "default": None}))
    assert lone_mabos("schema", "check", "--offline", good).code == 0
    bad = change(lambda schema: schema["fields"].pop(1))
    done = lone_mabos("schema", "check", "--offline", bad)
    assert (done.code, done.err) == (1, "")
    assert json.loads(REQUEST.schema_text)["fields"][1]["name"] in done.out


def test_without_the_registry_it_says_what_it_compared_with(lone_mabos: Typed) -> None:
    """The bundled schemas still stand in, with a warning per file; the answer is still an answer."""
    done = lone_mabos("schema", "check")
    assert done.code == 0
    first, second, third = done.err.splitlines()
    assert first.startswith("TaskRequest: compared with the bundled schema only: schema registry at http")
    assert second.startswith("TaskResponse: compared with the bundled schema only: ")
    assert third.startswith("TaskControl: compared with the bundled schema only: ")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is not JSON"),
        ('"string"', ""),
        ('{"type": "record", "name": "Other", "fields": []}', "a renamed record breaks every reader"),
        ('{"type": "fixed", "name": "F", "size": -1}', ""),
    ],
)
def test_what_is_no_schema_of_ours_is_refused(lone_mabos: Typed, tmp_path: Path, text: str, problem: str) -> None:
    """The row has the file and the reason; the other files are checked all the same."""
    (tmp_path / "bad.avsc").write_text(text)
    (tmp_path / "good.avsc").write_text(REQUEST.schema_text)
    done = lone_mabos(
        "schema", "check", "--offline", "-o", "ndjson", *(str(tmp_path / f"{n}.avsc") for n in ("bad", "good"))
    )
    bad, good = done.rows()
    assert done.code == 1
    assert (bad["result"], good["result"]) == ("refused", "compatible")
    assert problem in bad["problem"]


def test_registering_twice_is_registering_once(mabos: Typed, settings: Settings) -> None:
    """The ids stay, there is one version, and it is listed with its fields."""
    first, second = mabos("schema", "register", "-o", "json"), mabos("schema", "register", "-o", "json")
    assert (first.code, second.code) == (0, 0)
    assert first.out == second.out
    assert len(json.loads(first.out)) == 3
    rows = mabos("schema", "list", "-o", "ndjson").rows()
    assert [(row["subject"], row["version"]) for row in rows] == [
        (f"mabos.{settings.queue}.{topic}-value", "version 1") for topic in ("requests", "responses", "controls")
    ]
    assert rows[0]["fields"] == "type, task_id, agent_id, payload, deadline"


def test_a_file_that_is_no_schema_is_named(mabos: Typed, tmp_path: Path) -> None:
    """Wrong input: exit code 2, one line with the file."""
    (tmp_path / "bad.avsc").write_text("{")
    done = mabos("schema", "register", str(tmp_path / "bad.avsc"))
    assert done.code == 2
    assert done.error.startswith(f"{tmp_path / 'bad.avsc'}: ")

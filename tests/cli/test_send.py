"""``mabos send``: from flags, a file or a pipe; what is bad is named, the rest is sent."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mabos.consumers.log import read_log
from mabos.kafka.admin import Cluster
from mabos.kafka.clients import open_registry
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas import REQUEST, Codec, TaskRequest
from tests.cli.command import PROGRAM, ROOT, Mabos


def sent(settings: Settings) -> dict[str, TaskRequest]:
    """What the requests topic holds, by position."""
    topic = Queue(name=settings.queue).requests
    registry = open_registry(settings)
    codec = Codec.for_topic(REQUEST, topic, registry)
    ends = Cluster(settings).end_offsets(topic)
    return {
        str(Position(topic, message.partition() or 0, message.offset() or 0)): codec.decode(message.value())
        for message in read_log(settings, topic, {}, ends)
    }


def line(agent: str, **fields: Any) -> str:
    return json.dumps({"agent_id": agent, "payload": {}} | fields) + "\n"


def test_flags_make_a_task(mabos: Mabos, settings: Settings, tmp_path: Path) -> None:
    """All of them; the payload from a file, the action put into it; the position is where it stands."""
    (tmp_path / "payload.json").write_text('{"text": "Grüße, 世界"}')
    arguments = ["send", "--agent", "support-01", "--payload", f"@{tmp_path / 'payload.json'}", "--action", "echo"]
    done = mabos(*arguments, "--task-id", "t-1", "--deadline", "2099-01-31T12:00:00Z", "-o", "json")
    assert (done.code, done.err) == (0, "")
    told = json.loads(done.out)
    assert (told["task_id"], told["agent_id"]) == ("t-1", "support-01")
    request = sent(settings)[told["position"]]
    assert json.loads(request.payload_json) == {"text": "Grüße, 世界", "action": "echo"}
    assert request.deadline is not None
    assert request.deadline.isoformat() == "2099-01-31T12:00:00+00:00"


def test_a_person_sees_a_line_per_field(mabos: Mabos, settings: Settings) -> None:
    """The task's id is made, if none is given."""
    done = mabos("send", "-a", "support-01", "-p", '{"n": 1}')
    (position,) = sent(settings)
    task_id = sent(settings)[position].task_id
    assert done.out == f"task id   {task_id}\nagent id  support-01\nposition  {position}\n"


def test_a_pipe_of_tasks_is_answered_line_by_line(mabos: Mabos, settings: Settings) -> None:
    """One JSON object a line, in the order of the lines, bad ones in their place; the good ones are all sent."""
    text = "".join(
        ["\ufeff" + line("a", task_id="1"), "\n", "nonsense\n", line("b", task_id="2"), line("", task_id="3")]
        + [line("c", agentid="x"), line("d", task_id="4", headers={"traceparent": "00"})]
        + [line(f"agent-{number % 7}", task_id=f"more-{number}") for number in range(200)]
    )
    done = mabos("send", "--file", "-", "--output", "ndjson", stdin=text)
    rows = done.rows()
    assert (done.code, done.err) == (1, "")
    assert [row["line"] for row in rows] == [1, 3, 4, 5, 6, 7, *range(8, 208)]
    assert {row["line"]: row["error"] for row in rows if row["error"]} == {
        3: "task: is not JSON: Expecting value at column 1",
        5: rows[3]["error"],
        6: "agentid: is no field of a task, did you mean agent_id?",
    }
    assert rows[3]["error"].startswith("agent_id: ")
    there = sent(settings)
    assert len(there) == 203
    for row in rows:
        if not row["error"]:
            assert there[row["position"]].task_id == row["task_id"]


def test_a_person_sees_the_bad_lines_and_the_sum(mabos: Mabos, settings: Settings, tmp_path: Path) -> None:
    """Errors on standard error with their line's number; the counts on standard output; exit code 1."""
    file = tmp_path / "tasks.jsonl"
    file.write_text(line("a") + line("b", deadline="soon") + line("c"))
    done = mabos("send", "-f", str(file))
    assert done.code == 1
    assert done.error == "line 2: deadline: must be a time such as 2030-01-31T12:00:00Z"
    counts = dict(text.split() for text in done.out.splitlines())
    assert {name: counts[name] for name in ("sent", "refused", "failed")} == {
        "sent": "2",
        "refused": "1",
        "failed": "0",
    }
    assert len(sent(settings)) == 2


def test_a_good_file_is_exit_code_0(mabos: Mabos, tmp_path: Path) -> None:
    """Also an empty one: there was nothing to send, and all of it was."""
    (tmp_path / "one").write_text(line("a").rstrip("\n"))
    (tmp_path / "none").touch()
    one, none = (mabos("send", "-f", str(tmp_path / name), "-o", "json") for name in ("one", "none"))
    assert (one.code, none.code) == (0, 0)
    assert len(json.loads(one.out)) == 1
    assert json.loads(none.out) == []


def test_a_refused_field_is_named(mabos: Mabos) -> None:
    """Nothing was sent, exit code 2."""
    done = mabos("send", "-a", "x" * 256)
    assert done.code == 2
    assert done.error.startswith("agent_id: ")


@pytest.mark.parametrize("count", [20_000])
def test_a_pipe_closed_early_is_silent(mabos: Mabos, count: int) -> None:
    """``mabos send … | head -1``: the first row arrives, and there is no traceback."""
    text = "".join(line("a", task_id=str(number)) for number in range(count))
    process = subprocess.Popen(
        [*PROGRAM, "send", "-f", "-", "-o", "ndjson"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=mabos.env,
        cwd=ROOT,
    )
    head = subprocess.Popen(["/usr/bin/env", "head", "-1"], stdin=process.stdout, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(text.encode(), timeout=60)
    out, _ = head.communicate(timeout=10)
    assert json.loads(out)["line"] == 1
    assert (process.returncode, err) == (1, b"")


def test_a_missing_schema_says_what_to_do(mabos: Mabos) -> None:
    """A queue that nobody made: one line with the command that makes it."""
    done = mabos("send", "-a", "a", "--queue", "nobody-made-this")
    assert "run `mabos schema register`" in done.error
    assert done.code == 1

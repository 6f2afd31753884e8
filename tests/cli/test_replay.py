"""``mabos replay`` as a person runs it."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path

import pytest

from mabos.cli.replay import show_time
from mabos.consumers import AgentGroup, Task
from mabos.consumers.lineage import read_replay_of
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.producers import TaskProducer
from tests.cli.command import InProcess, Mabos
from tests.support.road import read_lag, read_topic, running
from tests.support.waiting import eventually

V2 = """
from mabos.consumers import AgentGroup, Task

agents = AgentGroup("v2")

@agents.on_task_request("greet")
def greet(task: Task) -> dict[str, str]:
    print("a handler prints")
    return {"text": "Goodbye, " + task.payload["name"]}
"""


def publish(settings: Settings, count: int) -> None:
    with TaskProducer(settings) as producer:
        for number in range(count):
            payload = {"action": "greet", "name": str(number)}
            producer.send_task_request(agent_id=f"a-{number % 5}", payload=payload, task_id=f"t-{number}")


def work_off(settings: Settings) -> None:
    """Have all tasks greeted."""
    agents = AgentGroup(f"greeters-{settings.queue}")

    @agents.on_task_request("greet")
    def greet(task: Task) -> dict[str, str]:
        return {"text": f"Hello, {task.payload['name']}"}

    with running(agents, settings):
        eventually(lambda: not read_lag(settings, agents.name), timeout_s=60)


def replayed(settings: Settings) -> Counter[str]:
    """How often each old request was published again, by its position."""
    records = read_topic(settings, Queue(name=settings.queue).requests)
    found = [read_replay_of([(name, data or b"") for name, data in one.headers]) for one in records]
    return Counter(str(one.position) for one in found if one is not None)


def test_inspect_shows_counts_and_limits(
    settings: Settings, mabos: Mabos, in_process: InProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows for people and for programs; what is left out, and what is not in the log, is said beside them."""
    publish(settings, 20)
    work_off(settings)
    capsys.readouterr()  # what the worker has logged
    run = in_process(mabos)
    table = run("replay", "inspect", "--agent", "a-1", "--limit", "3")
    assert table.code == 0
    assert table.out.startswith("appended at ")
    assert table.out.splitlines()[0].endswith("action  status     position")
    assert len(table.out.splitlines()) == 4
    assert "these are the first 3" in table.err
    rows = run("replay", "inspect", "--status", "completed", "-o", "ndjson").rows()
    assert len(rows) == 20
    assert rows[0]["outcome"]["result"]["text"] == f"Hello, {rows[0]['payload']['name']}"
    counts = json.loads(run("replay", "inspect", "--count", "-o", "json").out)
    assert counts == [{"action": "greet", "status": "completed", "tasks": 20}]
    beyond = run("replay", "inspect", "--from", "0:500", "-o", "ndjson")
    assert (beyond.code, beyond.out) == (0, "")
    assert "partition 0: offset 500 is not there yet" in beyond.err


def test_verify_tells_what_differs_and_ends_with_1(
    settings: Settings,
    mabos: Mabos,
    in_process: InProcess,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The action, the task, the place and both values; what is allowed or ignored is no difference."""
    (tmp_path / "agents_v2.py").write_text(V2)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    run = in_process(mabos)
    nothing = run("replay", "verify", "agents_v2:agents")
    assert nothing.code == 1
    assert "nothing was compared" in nothing.err
    publish(settings, 6)
    work_off(settings)
    capsys.readouterr()
    told = run("replay", "verify", "agents_v2:agents", "--show", "2")
    assert told.code == 1
    assert "greet   6         0       6         0 %" in told.out
    assert '  result.text\n    - "Hello, ' in told.out
    assert '    + "Goodbye, ' in told.out
    assert "a handler prints" not in told.out
    assert "4 more tasks differ" in told.err
    assert run("replay", "verify", "agents_v2:agents", "--allow", "6").code == 0
    assert run("replay", "verify", "agents_v2:agents", "--ignore", "result.text").code == 0
    found = json.loads(run("replay", "verify", "agents_v2:agents", "-o", "json").out)
    assert (found["compared"], found["differed"], len(found["mismatches"])) == (6, 6, 6)


def test_reprocess_counts_first_and_asks_before_many(settings: Settings, mabos: Mabos, in_process: InProcess) -> None:
    """A dry run publishes nothing; more than a thousand are not published without a yes."""
    publish(settings, 1001)
    run = in_process(mabos)
    dry = run("replay", "reprocess", "--dry-run")
    assert (dry.code, dry.out.splitlines()[-1]) == (0, "1001 tasks would be published")
    asked = mabos("replay", "reprocess", "--rate", "0")
    assert asked.code == 1
    assert "publish 1001 tasks again, as fast as can be?" in asked.err
    assert not replayed(settings)
    done = run("replay", "reprocess", "--rate", "0", "--yes")
    assert (done.code, done.out.splitlines()[-1]) == (0, "1001 tasks were published")
    assert set(replayed(settings).values()) == {1}
    few = run("replay", "reprocess", "--task-id", "t-7", "--rate", "0", "-o", "json")
    assert json.loads(few.out)["tasks"] == 1


def test_a_reprocess_that_was_killed_goes_on_without_publishing_twice(settings: Settings, mabos: Mabos) -> None:
    """Killed in the middle and resumed, also from another folder, each task stands in the log once."""
    publish(settings, 300)
    with mabos.start("replay", "reprocess", "--rate", "100") as killed:
        eventually(lambda: sum(replayed(settings).values()) > 50, timeout_s=60)
        killed.process.kill()
        killed.process.wait()
    assert 50 < sum(replayed(settings).values()) < 300
    [plan] = Path(mabos.env["MABOS_HOME"], "replays").glob("*.json")
    done = mabos("replay", "reprocess", "--resume", plan.stem, "--rate", "0")
    assert done.code == 0, done.err
    assert "were published before" in done.err
    assert (len(replayed(settings)), set(replayed(settings).values())) == (300, {1})
    again = mabos("replay", "reprocess", "--resume", plan.stem)
    assert "0 tasks would be published" in again.out


def test_ctrl_c_stops_a_reprocess_and_tells_how_to_go_on(settings: Settings, mabos: Mabos) -> None:
    """It ends with 130, and the line to go on with is printed."""
    publish(settings, 300)
    with mabos.start("replay", "reprocess", "--rate", "50") as stopped:
        eventually(lambda: sum(replayed(settings).values()) > 20, timeout_s=60)
        assert stopped.stop(signal.SIGINT) == 130
    assert "mabos replay reprocess --resume" in stopped.log()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("replay", "inspect"), 3),
        (("replay", "inspect", "--from", "x"), 2),
        (("replay", "inspect", "--since", "2h", "--until", "3h"), 2),
        (("replay", "reprocess", "--resume", "01890000-0000-7000-8000-000000000000"), 2),
        (("replay", "reprocess", "--resume", "01890000-0000-7000-8000-000000000000", "--agent", "a"), 2),
        (("replay", "verify", "no_such:agents"), 2),
    ],
)
def test_what_cannot_be_done_is_one_line(
    lone_mabos: Mabos, in_process: InProcess, arguments: tuple[str, ...], code: int
) -> None:
    """Where nothing answers, and where the options mean nothing."""
    done = in_process(lone_mabos)(*arguments)
    assert done.code == code
    assert done.error


@pytest.mark.parametrize(("seconds", "text"), [(0.1, "1 s"), (89, "89 s"), (600, "10 min"), (7200, "2.0 h")])
def test_times_are_shown_for_people(seconds: float, text: str) -> None:
    """In the unit that fits."""
    assert show_time(seconds) == text

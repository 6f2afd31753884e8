"""Where a worker's agents are: each way to say it wrong is told from the others."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mabos.cli.worker import describe_actions, load_agents
from mabos.consumers import AgentGroup
from mabos.consumers.errors import InvalidHandler

MODULE = """
from mabos.consumers import AgentGroup, Task
agents = AgentGroup("g")
empty = AgentGroup("none")
number = 7

@agents.on_task_request("b")
def b(task: Task) -> dict: ...

@agents.on_task_request("a")
def a(task: Task) -> dict: ...
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: Any) -> Iterator[Path]:
    """The current folder, with modules in it that nobody imported before."""
    (tmp_path / "loading_agents.py").write_text(MODULE)
    (tmp_path / "loading_needs.py").write_text("import no_such_library")
    (tmp_path / "loading_broken.py").write_text("1 +")
    (tmp_path / "loading_raises.py").write_text("int('x')")
    monkeypatch.chdir(tmp_path)
    path = sys.path[:]
    yield tmp_path
    sys.path[:] = path
    for name in [name for name in sys.modules if name.startswith("loading_")]:
        del sys.modules[name]


def test_a_group_of_the_current_folder_is_found(folder: Path) -> None:
    """As with ``python -m``, nothing needs to be installed."""
    group = load_agents("loading_agents:agents")
    assert isinstance(group, AgentGroup)
    assert group.name == "g"
    assert describe_actions(group) == "a, b"


def test_a_handler_of_everything_else_is_said() -> None:
    """A worker tells what it serves, the rest included."""
    group = AgentGroup("g")
    group.on_task_request()(lambda task: {})
    assert describe_actions(group) == "all others"


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("", '"" is not module:name, such as examples.agents:agents'),
        ("loading_agents", '"loading_agents" is not module:name'),
        ("loading_agents:", '"loading_agents:" is not module:name'),
        (":agents", '":agents" is not module:name'),
        ("loading_agents.py:agents", "module loading_agents.py cannot be imported"),
        ("a/b:agents", '"a/b:agents" is not module:name'),
        ("..up:agents", '"..up:agents" is not module:name'),
        ("loading_agents:a.b", '"loading_agents:a.b" is not module:name'),
        ("loading_nothing:agents", "No module named 'loading_nothing'"),
        ("loading_needs:agents", "No module named 'no_such_library'"),
        ("loading_broken:agents", "module loading_broken cannot be imported"),
        ("loading_raises:agents", "ValueError: invalid literal for int"),
        ("loading_agents:agent", "has no AgentGroup named agent, did you mean loading_agents:agents?"),
        ("loading_agents:number", "has no AgentGroup named number, did you mean loading_agents:agents?"),
        ("json:agents", "json has no AgentGroup named agents"),
        ("loading_agents:empty", "has no handlers: add one with @empty.on_task_request(...)"),
    ],
)
def test_each_mistake_is_told(folder: Path, where: str, message: str) -> None:
    """The error is one line, and says what to mend."""
    with pytest.raises(InvalidHandler) as caught:
        load_agents(where)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)

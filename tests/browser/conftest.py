"""An installed Chromium before the real platform: broker, registry, database, gateway with the console, a worker."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pydantic import SecretStr

from mabos.consumers import AgentGroup, Task
from mabos.gateway import create_app
from mabos.gateway.access import Access
from mabos.gateway.app import Parts
from mabos.gateway.server import make_server, open_listener
from mabos.kafka.settings import Settings
from mabos.streams.local_database import LocalDatabase
from tests.support import view
from tests.support.console import build_console
from tests.support.platform import Platform
from tests.support.road import running

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
STOP_TIMEOUT_S = 15
PATIENCE_MS = 15_000
"""A busy machine is no failure."""


@dataclass(kw_only=True)
class Door:
    """A gateway that can go and come back, at one address."""

    settings: Settings
    port: int = 0
    access: Access | None = None
    """Says who asks; None for a gateway that is open."""
    _server: uvicorn.Server | None = None
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        """Serve."""
        listener = open_listener("127.0.0.1", self.port)
        self.port = listener.getsockname()[1]
        self._server = make_server(create_app(self.settings, Parts(access=self.access)), stop_timeout_s=1)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]})
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join(STOP_TIMEOUT_S)
        assert not self._thread.is_alive()
        self._server = None


@dataclass(kw_only=True)
class Console:
    """The console before the platform."""

    door: Door
    shots: Path
    """Where screenshots go."""
    go: threading.Event = field(default_factory=threading.Event)
    """Lets the handler of the action ``hold`` end."""
    mended: threading.Event = field(default_factory=threading.Event)
    """Once set, the handler of the action ``invoice`` has no more reason to fail."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The Chromium of this machine; where there is none the tests skip, and in CI fail."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        message = "no Chromium for the browser tests: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=path, args=FLAGS)


@pytest.fixture(scope="session")
def console(browser: Browser, platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A console with a queue, a view and a worker of its own."""
    build_console()
    shots = os.environ.get("MABOS_TEST_SCREENSHOTS")
    folder = Path(shots) if shots else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    with LocalDatabase() as database:
        settings = platform.new_queue(database_url=SecretStr(database.url))
        door = Door(settings=settings)
        running_console = Console(door=door, shots=folder)
        with view.running(settings), running(make_agents(running_console), settings):
            door.open()
            try:
                yield running_console
            finally:
                running_console.go.set()
                door.close()


def make_agents(console: Console) -> AgentGroup:
    """Agents for each way in which a task can go."""
    agents = AgentGroup("console")

    @agents.on_task_request("greet")
    def greet(task: Task) -> dict[str, object]:
        return {"text": f"Hello, {task.payload['name']}!", "number": task.payload.get("number", 0)}

    @agents.on_task_request("hold")
    def hold(task: Task) -> dict[str, object]:
        task.progress({"done": 1, "of": 2})
        console.go.wait(30)
        return {"done": 2, "of": 2}

    @agents.on_task_request("lead")
    def lead(task: Task) -> dict[str, object]:
        task.send(agent_id=str(task.payload["to"]), payload={"action": "greet", "name": "Bob"})
        return {"ok": [1, 2, {"deep": {"deeper": [True, None]}}], "empty": {}, "text": "a line\nand another"}

    @agents.on_task_request("invoice")
    def invoice(task: Task) -> dict[str, object]:
        if not console.mended.is_set():
            raise LookupError(f"no customer {task.payload['customer']}")
        return {"invoiced": task.payload["customer"]}

    @agents.on_task_request("fail")
    def fail(task: Task) -> dict[str, object]:
        raise ValueError("the cause is not gone")

    return agents


@dataclass(kw_only=True)
class Tab:
    """A page, and what it complained about."""

    page: Page
    complaints: list[str] = field(default_factory=list)


@pytest.fixture
def tab(browser: Browser, console: Console) -> Iterator[Tab]:
    """A tab of a profile of its own; a test fails if the page logs an error, or breaks the security policy."""
    context = browser.new_context(
        base_url=console.door.url,
        viewport={"width": 1280, "height": 800},
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(PATIENCE_MS)
    tab = Tab(page=context.new_page())
    tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
    tab.page.on("console", lambda line: line.type in ("error", "warning") and tab.complaints.append(line.text))
    yield tab
    context.close()
    assert tab.complaints == []


@pytest.fixture
def page(tab: Tab) -> Page:
    """The page of a tab of its own."""
    return tab.page

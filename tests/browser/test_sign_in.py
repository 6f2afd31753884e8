"""Signing in, in a browser, at a gateway that wants to know who asks."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from mabos.gateway.apikeys import ApiKey
from mabos.gateway.keystore import KeyStore
from mabos.gateway.principals import Scope
from mabos.gateway.server import make_access
from tests.browser.conftest import Console, Door, Tab
from tests.browser.test_manners import find_violations


@pytest.fixture
def guarded(console: Console) -> Iterator[Door]:
    """A gateway of the same queue that takes nobody without a key."""
    settings = console.door.settings.model_copy(update={"gateway_auth": "required"})
    door = Door(settings=settings, access=make_access(settings))
    door.open()
    try:
        yield door
    finally:
        door.close()


@pytest.fixture
def tab(guarded: Door, tab: Tab) -> Tab:
    """A tab that is closed before the gateway is: a page that still polls would log that it is refused."""
    return tab


def make_key(door: Door, *scopes: Scope) -> str:
    """A key for the agents of these tests."""
    wanted = ApiKey(id="", name="test", secret_sha256=b"", scopes=frozenset(scopes), agents=("signed-*",))
    return KeyStore(door.settings).create(wanted)[1]


def sign_in(page: Page, key: str) -> None:
    """Fill the form."""
    page.get_by_label("API key").fill(key)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()


def test_one_signs_in_and_out(tab: Tab, guarded: Door, console: Console) -> None:
    """A wrong key is told; a right one opens the page that was wanted, streams too, and outlives a reload."""
    page = tab.page
    page.goto(f"{guarded.url}/create")
    page.get_by_label("Agent ID").fill("signed-1")
    page.get_by_label("Payload").fill('{"action": "greet", "name": "Ada"}')
    page.get_by_role("button", name="Create task").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert find_violations(page) == []
    page.screenshot(path=console.shots / "sign-in.png")
    sign_in(page, "mabos_nobody_nothing")
    expect(page.get_by_text("is no API key")).to_be_visible()
    page.screenshot(path=console.shots / "sign-in-refused.png")
    sign_in(page, make_key(guarded, Scope.TASKS_READ, Scope.TASKS_WRITE))
    expect(page.get_by_label("Agent ID")).to_have_value("signed-1")
    page.get_by_role("button", name="Create task").click()
    expect(page.get_by_label("Result")).to_contain_text("Hello, Ada!")
    page.reload()
    expect(page.get_by_role("banner")).to_contain_text("key:")
    page.screenshot(path=console.shots / "signed-in.png")
    assert "mabos" not in page.evaluate("JSON.stringify({...localStorage})")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("link", name="Tasks").click()
    expect(page.get_by_text("You have signed out.")).to_be_visible()
    tab.complaints[:] = [line for line in tab.complaints if "401" not in line]


def test_what_a_key_may_not_do_is_said(tab: Tab, guarded: Door, console: Console) -> None:
    """The page names the scope that is missing, and shows of other agents nothing."""
    page = tab.page
    with httpx.Client(base_url=console.door.url, timeout=60) as client:
        for agent in ("signed-2", "secret"):
            task = {"task_id": "one", "agent_id": agent, "payload": {"action": "unknown"}}
            client.post("/api/tasks", json=task, headers={"prefer": "wait=20"}).raise_for_status()
    page.goto(f"{guarded.url}/tasks?action=unknown")
    sign_in(page, make_key(guarded, Scope.TASKS_READ))
    rows = page.get_by_role("row").filter(has=page.get_by_role("gridcell"))
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("signed-2")
    page.get_by_role("link", name="Create a task").click()
    page.get_by_label("Agent ID").fill("signed-2")
    page.get_by_role("button", name="Create task").click()
    expect(page.get_by_role("alert")).to_contain_text("lacks the scope tasks:write")
    page.screenshot(path=console.shots / "scope-missing.png")
    tab.complaints[:] = [line for line in tab.complaints if "401" not in line and "403" not in line]

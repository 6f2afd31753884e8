"""How the console behaves everywhere: keys, focus, themes, screen readers, and a gateway that goes away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Console, Tab
from tests.support.console import WEB

AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PAGES = {
    "overview": "/overview",
    "live": "/live",
    "tasks": "/tasks",
    "task": "/tasks/axe/",
    "create": "/create",
    "agents": "/agents",
    "workers": "/workers",
    "dead-letters": "/dead-letters?redriven=all",
    "replay": "/replay",
    "missing": "/no/such/page",
}


@contextmanager
def gateway_away(console: Console, tab: Tab) -> Iterator[None]:
    """The gateway is gone for a while; the browser may complain of that."""
    console.door.close()
    try:
        yield
    finally:
        console.door.open()
        tab.complaints[:] = [line for line in tab.complaints if "net::ERR_" not in line]


def find_violations(page: Page) -> list[dict[str, Any]]:
    """What axe finds that is serious or critical."""
    page.evaluate(AXE.read_text(encoding="utf-8"))  # as the page's own code: its policy lets no script tag in
    found = page.evaluate("axe.run()")["violations"]
    return [
        {"rule": one["id"], "nodes": [node["html"] for node in one["nodes"]]}
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious(page: Page, console: Console, name: str, theme: str) -> None:
    """Names, roles and contrast of each page are right, in both themes, as the system wants them."""
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    path = PAGES[name]
    if name in ("tasks", "task"):
        task = {"agent_id": "axe", "payload": {"action": "fail", "deep": [1, {"x": None}]}}
        headers = {"prefer": "wait=20", "traceparent": TRACE}
        sent = httpx.post(f"{console.door.url}/api/tasks", json=task, headers=headers, timeout=60)
        path += sent.json()["task_id"] if name == "task" else "?agent=axe"
    page.goto(path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    if name == "tasks":
        expect(page.get_by_role("gridcell").first).to_be_visible()
    if name == "task":
        expect(page.get_by_role("region", name="Timeline")).to_contain_text("failed")
        expect(page.get_by_role("region", name="Headers of the request")).to_contain_text(TRACE)
    if name == "create":
        page.get_by_label("Agent ID").fill("support-01")
        page.get_by_label("Payload").fill('{"action": "greet", "name": "Ada"}')
        page.get_by_role("button", name="Create task").click()
        expect(page.get_by_label("Result")).to_be_visible()
    assert find_violations(page) == []
    page.screenshot(path=console.shots / f"{name}-{theme}.png")
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 390  # nothing hangs out at the side
    page.screenshot(path=console.shots / f"{name}-{theme}-narrow.png")


def test_the_theme_follows_the_system_until_one_is_chosen(page: Page) -> None:
    """The choice stays, and is there at the first paint of the next visit."""
    ground = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="dark")
    page.goto("/create")
    dark = page.evaluate(ground)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(ground)
    assert dark != light
    page.get_by_text("Dark", exact=True).click()
    assert page.evaluate(ground) == dark
    page.reload()
    assert page.evaluate(ground) == dark
    page.get_by_text("System", exact=True).click()
    assert page.evaluate(ground) == light


def test_the_keyboard_is_enough(page: Page, console: Console) -> None:
    """Past the navigation, from page to page with the focus on the heading, through the list, and all keys are told."""
    page.goto("/live")
    expect(page.get_by_role("heading", name="Live")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("Go to Create a task")
    page.screenshot(path=console.shots / "keys.png")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("c")
    expect(page.get_by_role("heading", name="Create a task")).to_be_focused()
    assert page.title() == "Create a task · MABOS"
    page.get_by_label("Agent ID").press("g")  # in a field a key is a letter
    page.get_by_label("Agent ID").press("l")
    expect(page.get_by_label("Agent ID")).to_have_value("gl")


def test_an_address_that_is_none_says_so(page: Page) -> None:
    """With ways on."""
    page.goto("/no/such/page")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="create a task").click()
    expect(page.get_by_role("heading", name="Create a task")).to_be_focused()


def test_the_gateway_goes_and_comes_back(tab: Tab, console: Console) -> None:
    """It is told, nothing typed is lost, and once it is back all goes on by itself, streams too."""
    page = tab.page
    page.goto("/create")
    page.get_by_label("Agent ID").fill("patient")
    page.get_by_label("Payload").fill('{"action": "greet", "name": "Ada"}')
    with gateway_away(console, tab):
        page.get_by_role("button", name="Create task").click()
        expect(page.get_by_text("the task may be stored or not")).to_be_visible()
        expect(page.get_by_text("The gateway is away.")).to_be_visible()
        page.screenshot(path=console.shots / "away.png")
        expect(page.get_by_label("Agent ID")).to_have_value("patient")
    expect(page.get_by_text("The gateway is back.")).to_be_visible()
    page.get_by_role("button", name="Create task").click()
    expect(page.get_by_label("Result")).to_contain_text("Hello, Ada!")
    page.get_by_role("link", name="Live").click()
    state = page.get_by_role("main").get_by_role("status")
    expect(state.filter(has_text="● Live")).to_be_visible()
    with gateway_away(console, tab):
        expect(state.filter(has_text="coming back")).to_be_visible()
    expect(state.filter(has_text="● Live")).to_be_visible()

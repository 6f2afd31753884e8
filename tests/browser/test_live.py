"""The live list, in a browser, before the real platform."""

from __future__ import annotations

import httpx
from playwright.sync_api import Page, expect

from tests.browser.conftest import Console


def send(console: Console, count: int, agent: str = "live", action: str = "greet") -> None:
    """Have tasks done."""
    with httpx.Client(base_url=console.door.url) as client:
        for number in range(count):
            task = {"agent_id": agent, "payload": {"action": action, "name": "Ada", "number": number}}
            assert client.post("/api/tasks", json=task, headers={"prefer": "wait=20"}).status_code == 200


def open_live(page: Page, query: str = "") -> None:
    """Go there, and wait until the stream is open."""
    page.goto(f"/live{query}")
    expect(page.get_by_role("status").filter(has_text="● Live")).to_be_visible()


def test_responses_appear_as_they_come(page: Page, console: Console) -> None:
    """Newest first, with their times as one likes them, and each in full when it is opened."""
    open_live(page)
    page.screenshot(path=console.shots / "live-empty.png")
    send(console, 12)
    send(console, 3, "billing", "unknown")
    send(console, 1, "failing", "fail")
    rows = page.get_by_role("row").filter(has=page.get_by_role("gridcell"))
    expect(rows).to_have_count(16)
    expect(rows.first).to_contain_text("failed")
    page.get_by_text("Exact", exact=True).click()
    expect(rows.first).to_contain_text(":")
    page.screenshot(path=console.shots / "live.png")
    rows.nth(1).click()
    detail = page.get_by_role("complementary", name="Response")
    expect(detail).to_contain_text("rejected")
    page.screenshot(path=console.shots / "live-detail.png")
    page.keyboard.press("Escape")
    expect(detail).to_have_count(0)


def test_news_is_announced_and_nothing_moves_while_it_is_paused(page: Page, console: Console) -> None:
    """What comes waits until it is asked for."""
    open_live(page, "?agent=paused")
    send(console, 2, "paused")
    rows = page.get_by_role("row").filter(has=page.get_by_role("gridcell"))
    expect(rows).to_have_count(2)
    page.keyboard.press("p")
    expect(page.get_by_role("button", name="Pause")).to_have_attribute("aria-pressed", "true")
    send(console, 3, "paused")
    expect(page.get_by_role("button", name="3 new: show")).to_be_visible()
    expect(rows).to_have_count(2)
    page.screenshot(path=console.shots / "live-paused.png")
    page.get_by_role("button", name="3 new: show").click()
    expect(rows).to_have_count(5)


def test_filters_are_in_the_address(page: Page, console: Console) -> None:
    """A filtered list can be reloaded and sent to somebody; only what is asked for comes."""
    open_live(page)
    page.keyboard.press("/")
    page.keyboard.type("wanted")
    page.get_by_role("button", name="rejected").click()
    page.wait_for_url("**/live?agent=wanted&status=rejected")
    open_live(page, "?agent=wanted&status=rejected")
    expect(page.get_by_role("searchbox", name="Agent ID")).to_have_value("wanted")
    send(console, 1, "other", "unknown")
    send(console, 1, "wanted")
    send(console, 1, "wanted", "unknown")
    rows = page.get_by_role("row").filter(has=page.get_by_role("gridcell"))
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("rejected")

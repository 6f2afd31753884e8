"""How the road is doing, in a browser, before the real platform: overview, agents and workers."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Console, make_agents
from tests.support.road import running

WAIT_MS = 30_000


@pytest.fixture(scope="module")
def traffic(console: Console) -> None:
    """Tasks that went well, and some that did not."""
    kinds = (("support-01", "greet", 9), ("billing", "greet", 4), ("billing", "fail", 2), ("shop", "unknown", 2))
    with httpx.Client(base_url=console.door.url, timeout=30) as client:
        for agent, action, count in kinds:
            for number in range(count):
                task = {"agent_id": agent, "payload": {"action": action, "name": "Ada", "number": number}}
                assert client.post("/api/tasks", json=task, headers={"prefer": "wait=20"}).status_code == 200


@pytest.mark.usefixtures("traffic")
def test_the_overview_shows_what_is_there_and_leads_to_it(page: Page, console: Console) -> None:
    """Counts, charts and what waits; a stretch of a chart tells its own, and each number leads to its tasks."""
    console.go.clear()
    for payload in ({"action": "hold"}, {"action": "greet", "name": "Ada"}):  # the second waits for the first
        task = {"agent_id": "slow", "payload": payload}
        assert httpx.post(f"{console.door.url}/api/tasks", json=task).status_code == 202
    page.goto("/")
    page.wait_for_url("**/overview")
    waiting = page.locator(".tile").filter(has_text="Waiting now")
    expect(waiting.get_by_role("link")).to_have_text(re.compile(r"^[1-9]"), timeout=WAIT_MS)
    expect(page.get_by_role("region", name="Longest waiting").get_by_role("link", name="slow")).to_be_visible()
    failures = page.get_by_role("region", name="Most failures")
    expect(failures.get_by_role("link", name="billing", exact=True)).to_have_attribute(
        "href", "/tasks?agent=billing&state=failed%2Crejected%2Cexpired%2Ctimed_out&since=1h"
    )
    cursor = page.get_by_role("slider", name="Outcomes")
    cursor.press("End")
    expect(page.get_by_role("region", name="Outcomes")).to_contain_text("so far")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("region", name="Outcomes")).not_to_contain_text("so far")
    page.keyboard.press("Escape")
    expect(page.get_by_role("region", name="Outcomes")).to_contain_text("The last hour")
    age = page.get_by_role("region", name="Backlog age")
    expect(age.get_by_role("link")).to_have_text(re.compile(r"\d (m?s|min)"), timeout=WAIT_MS)
    expect(age.get_by_role("link")).to_have_attribute("href", re.compile("since=.*until="))
    page.set_viewport_size({"width": 1280, "height": 1240})
    page.get_by_text("15 min").click()
    page.wait_for_url("**/overview?window=15m")
    expect(page.locator(".tile").filter(has_text="Answered").get_by_role("link")).to_be_visible()
    page.screenshot(path=console.shots / "overview.png")
    waiting.get_by_role("link").click()
    page.wait_for_url("**/tasks?state=queued%2Cin_progress")
    console.go.set()


@pytest.mark.usefixtures("traffic")
def test_agents_can_be_sorted_and_found(page: Page, console: Console) -> None:
    """By any column, and by a part of their ids; the address tells it."""
    page.goto("/agents?sort=failed")
    first = page.get_by_role("row").nth(1)
    expect(first).to_contain_text("billing", timeout=WAIT_MS)
    page.screenshot(path=console.shots / "agents.png")
    page.get_by_role("button", name="Agent", exact=True).click()
    page.keyboard.press("/")
    page.keyboard.type("SUPPORT")
    page.wait_for_url("**/agents?sort=agent&text=SUPPORT")
    expect(page.get_by_role("row").nth(1)).to_contain_text("support-01")
    expect(page.get_by_role("link", name="billing", exact=True)).to_have_count(0)


def test_workers_show_who_does_what(page: Page, console: Console) -> None:
    """The worker that is there has every partition, until a second comes; the topics are as wanted."""
    page.goto("/workers")
    partitions = page.get_by_role("region", name="Partitions", exact=True)
    expect(partitions.get_by_role("row")).to_have_count(13)
    expect(partitions.get_by_text("nobody")).to_have_count(0)
    expect(page.get_by_role("region", name="Members").get_by_role("row")).to_have_count(2)
    expect(page.get_by_role("region", name="Topics").get_by_text("in sync")).to_have_count(4)
    page.screenshot(path=console.shots / "workers.png")
    rebalances = page.locator(".card").filter(has=page.get_by_role("heading", name="Rebalances"))
    expect(rebalances).to_contain_text("None since")
    with running(make_agents(console), console.door.settings):
        expect(page.get_by_role("region", name="Members").get_by_role("row")).to_have_count(3, timeout=WAIT_MS)
        moved = re.compile(r"\d: from mabos-worker on .* to mabos-worker on ")
        expect(rebalances).to_contain_text(moved, timeout=WAIT_MS)
        page.set_viewport_size({"width": 1280, "height": 1300})
        page.screenshot(path=console.shots / "rebalances.png")
    expect(page.get_by_role("region", name="Members").get_by_role("row")).to_have_count(2, timeout=WAIT_MS)
    expect(rebalances).to_contain_text(re.compile(r"mabos-worker on \S+ \(\S+\) went"), timeout=WAIT_MS)

"""What went wrong is looked at and done again, in a browser, before the real platform: dead letters and replays."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Console
from tests.browser.test_manners import find_violations

WAIT_MS = 30_000


@pytest.fixture(scope="module")
def failed(console: Console) -> None:
    """Tasks that failed for a cause that can go, and one for a cause that cannot."""
    console.mended.clear()
    with httpx.Client(base_url=console.door.url, timeout=60) as client:
        for number, customer in enumerate((101, 102, 103), start=1):
            payload = {"action": "invoice", "customer": customer}
            task = {"task_id": f"invoice-{number}", "agent_id": "billing-eu", "payload": payload}
            assert client.post("/api/tasks", json=task, headers={"prefer": "wait=40"}).json()["status"] == "failed"


@pytest.mark.usefixtures("failed")
def test_dead_letters_are_redriven_once_their_cause_is_gone(page: Page, console: Console) -> None:
    """By cause, with stack and payload; what would be done is shown first; the new tasks are a link away."""
    page.goto("/dead-letters")
    cause = page.get_by_role("row").filter(has_text="no customer")
    expect(cause).to_contain_text("handler_failed", timeout=WAIT_MS)
    page.screenshot(path=console.shots / "dead-letters.png")
    cause.get_by_role("link").click()
    rows = page.get_by_role("region", name="Letters").get_by_role("row")
    expect(rows).to_have_count(4)
    assert find_violations(page) == []
    rows.nth(1).get_by_role("link").click()
    expect(page.get_by_role("region", name="Stack")).to_contain_text("LookupError")
    expect(page.get_by_role("region", name="Payload").first).to_contain_text("customer")
    page.screenshot(path=console.shots / "dead-letter.png")
    assert find_violations(page) == []
    console.mended.set()
    page.get_by_role("button", name="Redrive otherwise…").click()
    page.get_by_role("textbox", name="Payload").fill('{"action": "invoice", "customer": 201}')
    page.get_by_role("button", name="Show what would be done").click()
    page.get_by_role("button", name="Publish 1 new task").click()
    expect(page.get_by_text("1 new task was published.")).to_be_visible(timeout=WAIT_MS)
    page.get_by_role("link", name="This cause").click()
    redrive = page.get_by_role("button", name=re.compile("^Redrive all 2"))
    expect(redrive).to_be_visible(timeout=WAIT_MS)
    redrive.click()
    plan = page.get_by_role("region", name="Redrive", exact=True)
    expect(plan).to_contain_text("2 new tasks for 1 agent")
    page.screenshot(path=console.shots / "redrive.png")
    assert find_violations(page) == []
    plan.get_by_role("button", name="Publish 2 new tasks").click()
    expect(plan).to_contain_text("2 new tasks were published.", timeout=WAIT_MS)
    plan.get_by_role("link").first.click()
    expect(page.get_by_text("completed").first).to_be_visible(timeout=WAIT_MS)


@pytest.mark.usefixtures("failed")
def test_a_replay_counts_first_and_then_publishes(page: Page, console: Console) -> None:
    """An inspection counts by outcome; a reprocess publishes exactly what it has counted, and both are listed."""
    console.mended.set()
    page.goto("/replay")
    form = page.get_by_role("form", name="New replay")
    form.get_by_label("Agent ID").fill("billing-eu")
    form.get_by_role("button", name="Count").click()
    counts = page.get_by_role("region", name="Counts")
    expect(counts.get_by_role("row").filter(has_text="failed")).to_contain_text("3", timeout=WAIT_MS)
    page.get_by_role("link", name="All replays").click()
    page.get_by_text("Reprocess", exact=True).click()
    form.get_by_label("Agent ID").fill("billing-eu")
    form.get_by_role("button", name="failed").click()
    page.screenshot(path=console.shots / "replay-new.png")
    form.get_by_role("button", name="Count").click()
    publish = page.get_by_role("button", name="Publish 3 new tasks")
    expect(publish).to_be_visible(timeout=WAIT_MS)
    page.screenshot(path=console.shots / "replay-counted.png")
    assert find_violations(page) == []
    publish.click()
    expect(page.get_by_role("link", name="3 new tasks")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_role("heading", name="Reprocess")).to_contain_text("done", timeout=WAIT_MS)
    page.screenshot(path=console.shots / "replay-done.png")
    page.get_by_role("link", name="All replays").click()
    listed = page.get_by_role("region", name="Replays").get_by_role("row")
    expect(listed.nth(1)).to_contain_text("reprocess")
    expect(listed.nth(2)).to_contain_text("inspect")
    page.screenshot(path=console.shots / "replay.png")


def test_a_replay_takes_one_task_at_its_offset(page: Page, console: Console) -> None:
    """The rows of the form are filled by keyboard; the replay says what it took, and counts that alone."""
    tasks = [{"agent_id": "exact", "task_id": f"exact-{number}", "payload": {"action": "greet"}} for number in (1, 2)]
    with httpx.Client(base_url=console.door.url, timeout=60) as client:
        positions = [client.post("/api/tasks", json=task).json()["position"] for task in tasks]
    _, partition, offset = positions[1].split(":")
    page.goto("/replay")
    form = page.get_by_role("form", name="New replay")
    form.get_by_label("Task ID").fill("exact-2")
    form.get_by_role("button", name="Add a partition").press("Enter")
    for text in (partition, offset, offset):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    expect(form.get_by_text("It ends before it begins.").first).to_be_visible()
    assert find_violations(page) == []
    page.screenshot(path=console.shots / "replay-offsets.png")
    form.get_by_label("Before offset").fill(str(int(offset) + 1))
    form.get_by_role("button", name="Count").click()
    counts = page.get_by_role("region", name="Counts")
    expect(counts.get_by_role("row").filter(has_text="greet")).to_contain_text("1", timeout=WAIT_MS)
    expect(page.get_by_text("task exact-2, from").first).to_contain_text(f"partition {partition} from offset {offset}")

"""The list of tasks and the page of one, in a browser, before the real platform."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Console


def send(console: Console, agent: str, *payloads: dict[str, Any], waits: bool = True) -> list[str]:
    """Ask an agent, and have the view know of it; the ids of the tasks."""
    ids = []
    with httpx.Client(base_url=console.door.url, timeout=60) as client:
        for payload in payloads:
            headers = {"prefer": "wait=20"} if waits else {}
            answer = client.post("/api/tasks", json={"agent_id": agent, "payload": payload}, headers=headers)
            assert answer.is_success
            task = answer.json()
            ids.append(task["task_id"])
            known = client.get(f"/api/tasks/{ids[-1]}", params={"agent_id": agent, "position": task["position"]})
            assert known.status_code == 200
    return ids


def greeting(number: int = 0) -> dict[str, Any]:
    """What is done at once."""
    return {"action": "greet", "name": "Ada", "number": number}


def rows(page: Page) -> Locator:
    """The rows that are in the document, without the head."""
    return page.get_by_role("row").filter(has=page.get_by_role("gridcell"))


def test_tasks_are_filtered_and_the_address_says_how(page: Page, console: Console) -> None:
    """By agent, state and text; the filters survive a reload, and a saved view brings them back."""
    send(console, "filtered", *(greeting(number) for number in range(9)), {"action": "unknown"}, {"action": "fail"})
    page.goto("/tasks")
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("filtered")
    expect(rows(page)).to_have_count(11)
    page.screenshot(path=console.shots / "tasks.png")
    page.get_by_role("button", name="failed").click()
    page.get_by_label("Requested").select_option("Last hour")
    page.wait_for_url("**/tasks?agent=filtered&state=failed&since=1h")
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("the cause is not gone")
    page.get_by_role("button", name="Views").click()
    page.get_by_label("Name of the view").fill("What failed")
    page.get_by_role("button", name="Keep").click()
    page.screenshot(path=console.shots / "tasks-views.png")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Show all").click()
    page.get_by_role("searchbox", name="Text").fill('"number": 7')
    page.get_by_role("searchbox", name="Agent ID").fill("filtered")
    expect(rows(page)).to_have_count(0)
    page.get_by_role("searchbox", name="Text").fill('"number":7')
    expect(rows(page)).to_have_count(1)
    page.reload()
    expect(rows(page)).to_have_count(1)
    page.get_by_role("button", name="Views").click()
    page.get_by_role("button", name="What failed").first.click()
    expect(page.get_by_role("button", name="View: What failed")).to_be_visible()
    expect(rows(page)).to_contain_text("the cause is not gone")


def test_what_is_new_is_announced_and_waits(page: Page, console: Console) -> None:
    """The list stays as it is until its reader wants the news; what is in it already is brought up to date."""
    console.go.clear()
    send(console, "news", {"action": "hold"}, waits=False)
    page.goto("/tasks?agent=news")
    expect(rows(page)).to_contain_text("in progress")
    console.go.set()
    send(console, "news", greeting(), greeting())
    expect(page.get_by_role("button", name="2 new: show")).to_be_visible()
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("completed")
    page.screenshot(path=console.shots / "tasks-news.png")
    page.get_by_role("button", name="2 new: show").click()
    expect(rows(page)).to_have_count(3)


def test_what_is_filtered_is_exported(page: Page, console: Console, tmp_path: Path) -> None:
    """All of it, as NDJSON and as CSV."""
    ids = send(console, "exported", *(greeting(number) for number in range(3)))
    page.goto("/tasks?agent=exported")
    expect(rows(page)).to_have_count(3)
    for kind in ("NDJSON", "CSV"):
        page.get_by_role("button", name="Export").click()
        dialog = page.get_by_role("dialog", name="Export tasks")
        dialog.get_by_text(kind, exact=True).click()
        page.screenshot(path=console.shots / "tasks-export.png")
        with page.expect_download() as download:
            dialog.get_by_role("button", name="Export").click()
        download.value.save_as(tmp_path / kind)
        expect(dialog.get_by_role("status")).to_contain_text("3 tasks: the file is saved")
        page.keyboard.press("Escape")
    lines = (tmp_path / "NDJSON").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["task_id"] for line in lines] == ids[::-1]
    with (tmp_path / "CSV").open(encoding="utf-8", newline="") as file:
        assert [(line["task_id"], line["state"]) for line in csv.DictReader(file)] == [
            (one, "completed") for one in ids[::-1]
        ]


def test_a_task_tells_all_that_happened_to_it(page: Page, console: Console) -> None:
    """From the list to its page: timeline, payload as tree and as text, position, child and parent; and back again."""
    [task_id] = send(console, "leading", {"action": "lead", "to": "led", "number": 9007199254740993})
    page.goto("/tasks?agent=leading")
    rows(page).first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"Task {task_id}")).to_be_focused()
    timeline = page.get_by_role("region", name="Timeline")
    expect(timeline.get_by_role("listitem")).to_contain_text(["queued", "started", "completed"])
    expect(timeline).to_contain_text("Waited")
    payload = page.get_by_role("region", name="Payload").first
    expect(payload).to_contain_text("9007199254740993")
    payload.get_by_text("Raw", exact=True).click()
    expect(payload).to_contain_text('"number": 9007199254740993')
    expect(page.get_by_role("region", name="Task", exact=True)).to_contain_text("mabos.")
    expect(page.get_by_role("region", name="Request", exact=True)).to_contain_text(", version 1")
    expect(page.get_by_role("region", name="Outcome", exact=True)).to_contain_text(", version 1")
    children = page.get_by_role("region", name="Sent by its handler")
    expect(children).to_contain_text("completed")
    page.screenshot(path=console.shots / "task.png")
    children.get_by_role("link").click()
    expect(page.get_by_text("of leading")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name=f"Task {task_id}")).to_be_visible()
    page.go_back()
    expect(rows(page)).to_have_count(1)


def test_one_that_waits_is_cancelled_with_a_reason(page: Page, console: Console) -> None:
    """It waits behind another of its agent; its page says by itself that it was cancelled, and why."""
    console.go.clear()
    _, waiting = send(console, "busy", {"action": "hold"}, greeting(), waits=False)
    page.goto(f"/tasks/busy/{waiting}")
    expect(page.get_by_text("Waiting for")).to_be_visible()
    page.screenshot(path=console.shots / "task-queued.png")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_label("Reason").fill("asked by mistake")
    page.screenshot(path=console.shots / "task-cancel.png")
    page.get_by_role("button", name="Cancel the task").click()
    timeline = page.get_by_role("region", name="Timeline")
    expect(timeline).to_contain_text("cancel asked for asked by mistake")
    console.go.set()
    expect(timeline.get_by_role("listitem").last).to_contain_text("cancelled")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    page.screenshot(path=console.shots / "task-cancelled.png")


def test_one_is_sent_again_with_an_edit(page: Page, console: Console) -> None:
    """Its agent and payload stand on the page that creates one; no draft is lost by that; the new one leads on."""
    [task_id] = send(console, "again", {"action": "fail"})
    page.goto("/create")
    page.get_by_label("Agent ID").fill("my draft")
    page.goto(f"/tasks/again/{task_id}")
    expect(page.get_by_text("the cause is not gone")).to_be_visible()
    page.screenshot(path=console.shots / "task-failed.png")
    page.get_by_role("button", name="Edit and send again").click()
    expect(page.get_by_label("Agent ID")).to_have_value("again")
    expect(page.get_by_label("Payload")).to_have_value('{\n  "action": "fail"\n}')
    page.get_by_label("Payload").fill('{"action": "greet", "name": "Bob"}')
    page.get_by_role("button", name="Create task").click()
    outcome = page.get_by_role("region", name="Outcome")
    expect(outcome).to_contain_text("Hello, Bob!")
    outcome.get_by_role("link").click()
    expect(page.get_by_role("region", name="Timeline").get_by_role("listitem").last).to_contain_text("completed")
    page.go_back()
    page.get_by_role("button", name="Bring back my draft").click()
    expect(page.get_by_label("Agent ID")).to_have_value("my draft")


def test_a_task_that_is_not_there_is_said(page: Page, tab: Any) -> None:
    """With ways on."""
    page.goto("/tasks/nobody/none")
    expect(page.get_by_role("heading", name="There is no such task")).to_be_visible()
    page.get_by_role("link", name="Tasks of this agent").click()
    expect(page.get_by_text("No task is like that.")).to_be_visible()
    tab.complaints[:] = [line for line in tab.complaints if "404" not in line]

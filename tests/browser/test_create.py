"""Create a task, in a browser, before the real platform."""

from __future__ import annotations

import json
import subprocess

from playwright.sync_api import Page, expect

from tests.browser.conftest import Console

BROKEN = '{\n  "action": "greet",\n  "name": "Ada"\n  "number": 1\n}'
GREETING = '{\n  "action": "greet",\n  "name": "Ada",\n  "number": 9007199254740993\n}'


def fill(page: Page, payload: str, *, agent: str = "support-01", task: str = "") -> None:
    """Type a task."""
    page.get_by_label("Task ID").fill(task)
    page.get_by_label("Agent ID").fill(agent)
    page.get_by_label("Payload").fill(payload)


def test_a_task_is_created_and_seen_to_complete(page: Page, console: Console) -> None:
    """The outcome appears by itself, and no number was changed on the way."""
    page.goto("/create")
    fill(page, GREETING)
    page.get_by_role("button", name="Create task").click()
    outcome = page.get_by_role("region", name="Outcome")
    expect(outcome.get_by_text("completed", exact=False).first).to_be_visible()
    expect(outcome.get_by_label("Result")).to_contain_text('"text": "Hello, Ada!"')
    expect(outcome.get_by_label("Result")).to_contain_text("9007199254740993")
    page.screenshot(path=console.shots / "create.png")


def test_invalid_json_is_told_with_its_place_and_loses_nothing(page: Page, console: Console) -> None:
    """The text stays as typed, the place can be gone to, and the button says why it does nothing."""
    page.goto("/create")
    fill(page, BROKEN)
    expect(page.get_by_label("Payload")).to_have_value(BROKEN)
    expect(page.get_by_text("expected a comma or }")).to_be_visible()
    button = page.get_by_role("button", name="Create task")
    expect(button).to_have_accessible_description("The payload is wrong at line 4, column 3.")
    button.press("Enter")
    expect(page.get_by_text("Send a task, and what becomes of it")).to_be_visible()
    page.screenshot(path=console.shots / "create-invalid.png")
    page.get_by_role("button", name="Line 4, column 3").click()
    expect(page.get_by_label("Payload")).to_be_focused()
    page.keyboard.type(', "')  # in place of what is chosen: the quote that came too early
    expect(button).to_have_attribute("aria-disabled", "false")


def test_a_reload_loses_neither_the_draft_nor_what_was_sent(page: Page, console: Console) -> None:
    """A task that is still at work is followed again, from its own position, to its outcome."""
    console.go.clear()
    page.goto("/create")
    fill(page, '{"action": "hold"}', agent="slow", task="kept")
    page.get_by_role("button", name="Create task").click()
    outcome = page.get_by_role("region", name="Outcome")
    expect(outcome.get_by_text("in progress").first).to_be_visible()
    page.get_by_label("Payload").fill(BROKEN)
    page.screenshot(path=console.shots / "create-progress.png")
    page.reload()
    expect(page.get_by_label("Payload")).to_have_value(BROKEN)
    expect(outcome.get_by_text("in progress").first).to_be_visible()
    console.go.set()
    expect(outcome.get_by_text("completed").first).to_be_visible()
    expect(outcome.get_by_label("Result")).to_contain_text('"done": 2')


def test_a_failure_says_why(page: Page, console: Console) -> None:
    """The error's code and words are there."""
    page.goto("/create")
    fill(page, '{"action": "fail"}', agent="failing")
    page.get_by_role("button", name="Create task").click()
    expect(page.get_by_text("the cause is not gone")).to_be_visible()
    page.screenshot(path=console.shots / "create-failed.png")


def test_the_call_for_curl_works_as_it_is_copied(page: Page) -> None:
    """Pasted into a shell it does what the button does, with an apostrophe in it, too."""
    page.goto("/create")
    fill(page, '{"action": "greet", "name": "D\'Arcy"}', task="from a shell")
    page.get_by_role("button", name="Copy the call for curl").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    done = subprocess.run(["/bin/sh", "-c", f"{copied} -s"], capture_output=True, text=True, timeout=60, check=True)
    response = json.loads(done.stdout.splitlines()[-1])
    assert (response["task_id"], response["result"]["text"]) == ("from a shell", "Hello, D'Arcy!")

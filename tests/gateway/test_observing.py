"""What is seen of the gateway from outside: metrics, log lines, request ids, and a page that needs no internet."""

from __future__ import annotations

import re
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from mabos.producers import PublishFailed
from tests.gateway.fakes import Door
from tests.gateway.shape import read_problem
from tests.gateway.sockets import serve
from tests.gateway.streams import Reader
from tests.support.waiting import eventually

GOOD = {"task_id": "1", "agent_id": "agent_1", "payload": {"action": "test"}}


def samples(door: Door) -> dict[tuple[str, tuple[str, ...]], float]:
    """Each sample, by its name and the values of its labels."""
    text = door.ask("GET", "/metrics").text
    return {
        (sample.name.removeprefix("mabos_gateway_"), tuple(sample.labels[key] for key in sorted(sample.labels))): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_bucket")
    }


def test_requests_are_counted_by_route_and_never_by_path() -> None:
    """However many paths are tried, methods invented and tasks named, there is a bounded number of labels."""
    door = Door()
    for number in range(20):
        door.ask("POST", "/api/tasks", json=GOOD)
        door.ask("POST", f"/api/tasks/{number}/cancel", json={"agent_id": "a"})
        door.ask("GET", f"/nothing/{number}")
        door.ask(f"X{number}", "/api/tasks")
    door.ask("POST", "/api/tasks", content="x")
    counted = {key: value for key, value in samples(door).items() if key[0] == "requests_total"}
    assert counted == {
        ("requests_total", ("POST", "/api/tasks", "202")): 20,
        ("requests_total", ("POST", "/api/tasks", "415")): 1,
        ("requests_total", ("POST", "/api/tasks/{task_id}/cancel", "202")): 20,
        ("requests_total", ("GET", "none", "404")): 20,
        ("requests_total", ("OTHER", "/api/tasks", "405")): 20,
    }


def test_publishes_are_timed_and_failures_counted() -> None:
    """A batch is counted by its items."""
    door = Door()
    door.ask("POST", "/api/tasks", json=GOOD)
    door.ask("POST", "/api/tasks/batch", json=[GOOD, GOOD, 7])
    door.producer.fail_with = PublishFailed("no broker", may_be_stored=True)
    door.ask("POST", "/api/tasks", json=GOOD)
    counted = samples(door)
    assert counted["publish_seconds_count", ()] == 1
    assert counted["publish_failures_total", ()] == 1
    assert counted["batch_items_total", ("accepted",)] == 2
    assert counted["batch_items_total", ("refused",)] == 1


def test_open_streams_and_waiters_are_shown() -> None:
    """As they are now, and nothing once they are gone."""
    door = Door()
    names = ("task_streams", "live_streams", "waiters", "tail_lag_records")
    with serve(door.app) as served:
        readers = [Reader(served.port, path).open() for path in ("/api/tasks/t/events?agent_id=a", "/api/events")]
        assert [samples(door)[name, ()] for name in names] == [1, 1, 0, 0]
        for reader in readers:
            reader.close()
        eventually(lambda: [samples(door)[name, ()] for name in names] == [0, 0, 0, 0])


@pytest.mark.parametrize(
    "accept", ["", "text/plain", "application/openmetrics-text; version=1.0.0", "x; version=x", "*/*"]
)
def test_metrics_come_in_the_format_asked_for(accept: str) -> None:
    """Whatever a scraper says of itself, it gets one it can read."""
    answer = Door().ask("GET", "/metrics", headers={"accept": accept})
    assert answer.status_code == 200
    assert ("openmetrics" in answer.headers["content-type"]) == ("openmetrics" in accept)
    assert "mabos_gateway_waiters" in answer.text


def lines(door: Door, method: str, path: str, **how: Any) -> list[dict[str, Any]]:
    """The log lines of one request."""
    with capture_logs() as logs:
        door.ask(method, path, **how)
    return [dict(line) for line in logs if line["event"] == "request"]


def test_each_request_is_one_log_line_with_its_task_and_position() -> None:
    """Under the id that its caller gave, or a new one; the path stands there as the route is written."""
    door = Door()
    (line,) = lines(door, "POST", "/api/tasks", json=GOOD, headers={"x-request-id": "mine-1"})
    assert line.pop("duration_ms") > 0
    assert line == {
        "event": "request",
        "log_level": "info",
        "method": "POST",
        "route": "/api/tasks",
        "status": 202,
        "request_id": "mine-1",
        "task_id": "1",
        "position": "mabos.tasks.requests:7:0",
    }
    (line,) = lines(door, "POST", "/api/tasks/x%0Ay/cancel", json={"agent_id": "a"})
    assert (line["status"], "task_id" in line) == (404, False)
    (line,) = lines(door, "POST", "/api/tasks/batch", json=[GOOD, 7])
    assert (line["accepted"], line["refused"]) == (1, 1)
    assert lines(door, "GET", "/healthz") == lines(door, "GET", "/metrics") == []
    door.kafka.error = RuntimeError("boom")
    (line,) = lines(door, "GET", "/readyz")
    assert line["status"] == 500


@pytest.mark.parametrize("given", ["mine-1", "A.b_c", "", "x" * 65, "a b", "a\tb", "ä", None])
def test_every_answer_has_a_request_id(given: str | None) -> None:
    """The caller's, where it can stand in a log line; problems have one too, expected or not."""
    door = Door()
    headers = {} if given is None else {"x-request-id": given.encode()}
    door.kafka.error = RuntimeError("boom")
    for method, path, status in (("GET", "/healthz", 200), ("GET", "/nothing", 404), ("GET", "/readyz", 500)):
        answer = door.ask(method, path, headers=headers)
        assert answer.status_code == status
        if status >= 400:
            read_problem(answer, status)
        (told,) = answer.headers.get_list("x-request-id")
        assert told == given if given in ("mine-1", "A.b_c") else re.fullmatch("[0-9a-f]{32}", told)


def test_the_openapi_page_needs_no_internet() -> None:
    """All that it loads comes from the gateway itself."""
    door = Door()
    page = door.ask("GET", "/docs").text
    loaded = re.findall(r"""(?:src|href)="([^"]+)"|url: '([^']+)'""", page)
    paths = [path for pair in loaded for path in pair if path]
    assert len(paths) == 4
    for path in paths:
        assert not path.startswith(("http", "/"))
        assert door.ask("GET", f"/{path}").status_code == 200
    assert "https://" not in page

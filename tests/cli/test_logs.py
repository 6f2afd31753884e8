"""Log lines: each is JSON for a program, and readable for a person."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
import structlog

from mabos.cli.logs import LogFormat, configure_logs
from mabos.consumers.current import current_task
from mabos.consumers.task import Task
from tests.support.jobs import make_job


class Terminal(io.StringIO):
    """A standard error that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restore() -> Iterator[None]:
    """Leave the logging of the test run as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def log_everything() -> None:
    structlog.stdlib.get_logger("mabos.a").info("task done", agent_id="界", count=2, odd=object())
    logging.getLogger("mabos.b").warning("%s of %d", "one", 2)
    try:
        int("boom\nsecond line")
    except ValueError:
        structlog.stdlib.get_logger("mabos.c").exception("it failed")
        logging.getLogger("mabos.d").exception("it failed too")


def test_each_line_is_json(monkeypatch: Any) -> None:
    """From both kinds of logger, with exceptions, Unicode and strange values; nothing below the level."""
    monkeypatch.setattr(sys, "stderr", pipe := io.StringIO())
    configure_logs(LogFormat.AUTO)
    log_everything()
    logging.getLogger("mabos").debug("not this")
    lines = [json.loads(line) for line in pipe.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["task done", "one of 2", "it failed", "it failed too"]
    assert [line["level"] for line in lines] == ["info", "warning", "error", "error"]
    assert [line["logger"] for line in lines] == ["mabos.a", "mabos.b", "mabos.c", "mabos.d"]
    assert lines[0]["agent_id"] == "界"
    assert all("boom" in line["exception"] for line in lines[2:])
    assert all(line["timestamp"].endswith("Z") for line in lines)


def make_task() -> Task:
    """The second attempt at a task."""
    job = make_job("界", task_id="t-1", partition=3, offset=17)
    job.attempt = 2
    return Task(job, {}, cast(Any, SimpleNamespace(topic="mabos.tasks.requests")))


def test_lines_about_a_task_name_it(monkeypatch: Any) -> None:
    """From both kinds of logger, while a handler runs; a line that names another task itself is left as it is."""
    monkeypatch.setattr(sys, "stderr", pipe := io.StringIO())
    configure_logs(LogFormat.JSON)
    token = current_task.set(make_task())
    try:
        structlog.stdlib.get_logger("mabos.a").info("from structlog")
        logging.getLogger("mabos.b").info("from the standard library")
        structlog.stdlib.get_logger("mabos.a").info("another", task_id="t-2")
    finally:
        current_task.reset(token)
    logging.getLogger("mabos.b").info("after it")
    names = {"task_id": "t-1", "agent_id": "界", "position": "mabos.tasks.requests:3:17", "attempt": 2}
    *its_own, another, after = [json.loads(line) for line in pipe.getvalue().splitlines()]
    assert [{key: line[key] for key in names} for line in its_own] == [names, names]
    assert (another["task_id"], "position" in another) == ("t-2", False)
    assert not names.keys() & after.keys()


@pytest.mark.parametrize(("log_format", "has_colour"), [(LogFormat.AUTO, True), (LogFormat.TEXT, True)])
def test_a_terminal_gets_text(log_format: LogFormat, has_colour: bool, monkeypatch: Any) -> None:
    """With colours."""
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    configure_logs(log_format)
    log_everything()
    assert "task done" in terminal.getvalue()
    assert ("\x1b[" in terminal.getvalue()) == has_colour


def test_text_on_request(monkeypatch: Any) -> None:
    """In a pipe too, without colours."""
    monkeypatch.setattr(sys, "stderr", pipe := io.StringIO())
    configure_logs(LogFormat.TEXT)
    log_everything()
    assert "task done" in pipe.getvalue()
    assert "ValueError: invalid literal" in pipe.getvalue()
    assert "\x1b[" not in pipe.getvalue()


def test_json_on_a_terminal_on_request(monkeypatch: Any) -> None:
    """For whoever reads a terminal with a program."""
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    configure_logs(LogFormat.JSON)
    log_everything()
    assert all(json.loads(line) for line in terminal.getvalue().splitlines())

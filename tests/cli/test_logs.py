"""Log lines: each is JSON for a program, and readable for a person."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from mabos.cli.logs import LogFormat, configure_logs


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

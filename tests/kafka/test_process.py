"""What a JVM process tells when it fails. A shell stands in for Java where no Java is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from mabos.kafka.artifacts import find_java
from mabos.kafka.errors import DiskProblem, StartFailed
from mabos.kafka.jvm import JvmCommand
from mabos.kafka.process import Process, telling_line
from tests.support.waiting import eventually


def make_command(folder: Path, java: Path | None = None, log_file: Path | None = None) -> JvmCommand:
    return JvmCommand(
        name="broker 1",
        java=java or find_java(),
        arguments=["no.such.Main"],
        log_file=log_file or folder / "a" / "broker.log",
        heap_mb=16,
        temporary_dir=folder,
    )


def make_java(folder: Path, script: str) -> Path:
    """A program that takes any arguments."""
    java = folder / "java"
    java.write_text(f"#!/bin/sh\n{script}\n")
    java.chmod(0o700)
    return java


def test_early_end_is_one_line_with_cause_and_log(tmp_path: Path) -> None:
    """A class that is not there: the message has the log's telling line and the log's path."""
    jvm = Process(make_command(tmp_path))
    jvm.start()
    with pytest.raises(StartFailed) as caught:
        jvm.wait_until(lambda: False, timeout_s=30)
    assert "broker 1 ended with code 1 before it was ready" in str(caught.value)
    assert "no.such.Main" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.log_file == tmp_path / "a" / "broker.log"
    assert not jvm.is_alive


def test_log_of_an_earlier_run_is_not_blamed(tmp_path: Path) -> None:
    """The log is appended to; only this run's lines explain this run."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "broker.log").write_text("Exception: of yesterday\n")
    jvm = Process(make_command(tmp_path, make_java(tmp_path, "echo of today; exit 3")))
    jvm.start()
    with pytest.raises(StartFailed, match=r"ended with code 3 before it was ready: of today"):
        jvm.wait_until(lambda: False, timeout_s=30)


def test_late_start_is_given_up_and_killed(tmp_path: Path) -> None:
    """After the deadline nothing is left running."""
    jvm = Process(make_command(tmp_path, make_java(tmp_path, "exec sleep 60")))
    jvm.start()
    with pytest.raises(StartFailed, match=r"was not ready after 0.2 s"):
        jvm.wait_until(lambda: False, timeout_s=0.2)
    assert not jvm.is_alive
    assert jvm.exit_code == 137


def test_stubborn_process_is_killed_after_its_time(tmp_path: Path) -> None:
    """Stop is graceful first, and final in any case."""
    jvm = Process(make_command(tmp_path, make_java(tmp_path, "trap '' TERM; echo up; while :; do sleep 1; done")))
    jvm.start()
    eventually(lambda: "up" in jvm.log_tail())
    jvm.stop(timeout_s=0.3)
    assert jvm.exit_code == 137


def test_frozen_process_can_be_stopped(tmp_path: Path) -> None:
    """Stop wakes it first: a frozen process handles no signal."""
    jvm = Process(make_command(tmp_path, make_java(tmp_path, "exec sleep 60")))
    jvm.start()
    jvm.pause()
    jvm.stop(timeout_s=10)
    assert jvm.exit_code == 128 + 15


def test_environment_of_ours_does_not_reach_the_jvm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stray JAVA_TOOL_OPTIONS changes nothing."""
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Dmarker=1")
    jvm = Process(make_command(tmp_path, make_java(tmp_path, "/usr/bin/env; exec sleep 60")))
    jvm.start()
    eventually(lambda: any(line.startswith("LC_ALL=") for line in jvm.log_tail()))
    assert not any("marker" in line for line in jvm.log_tail())
    jvm.kill()


def test_log_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """One line, no traceback of ours."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskProblem, match="give a log file that you can write"):
        Process(make_command(tmp_path, log_file=tmp_path / "file" / "broker.log")).start()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], ""),
        (["one", "two", ""], "two"),
        (["INFO started", "ERROR it broke", "INFO shut down"], "ERROR it broke"),
        (["ERROR it broke", "Caused by: a full disk", "\tat a.B.c(B.java:1)", "... 3 more"], "Caused by: a full disk"),
        (["Error: " + "x" * 1000], "Error: " + "x" * 293),
    ],
)
def test_telling_line_of_a_log(lines: list[str], expected: str) -> None:
    """The cause beats an error, an error beats the last line."""
    assert telling_line(lines) == expected

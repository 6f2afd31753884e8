"""Downloading without a network: what a stranger behind a broken line reads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mabos.kafka.artifacts import fetch_broker_jars
from mabos.kafka.downloads import Meter
from mabos.kafka.errors import DownloadFailed


def test_unreachable_repository_is_one_line_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens at the proxy: no traceback, no half file, and the way out is named."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(DownloadFailed) as caught:
        fetch_broker_jars(tmp_path)
    message = str(caught.value)
    assert "HTTPS_PROXY" in message
    assert "\n" not in message
    assert list((tmp_path / "artifacts").iterdir()) == []
    assert list(tmp_path.glob("fetch-*")) == []


def test_program_ends_with_one_line(tmp_path: Path) -> None:
    """Run as a program, a failure is an exit code and a line on standard error."""
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "mabos.kafka.artifacts"],
        env={"PATH": "", "MABOS_CACHE_DIR": str(tmp_path / "file" / "cache")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "MABOS_CACHE_DIR" in done.stderr


def test_progress_without_a_terminal_is_a_line_at_both_ends(capsys: pytest.CaptureFixture[str]) -> None:
    """A log file gets few plain lines, no control characters."""
    meter = Meter("the broker", 2_000_000)
    with meter.run():
        for _ in range(20):
            meter.add(100_000)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "downloading the broker: 0 of 2 MB"
    assert lines[-1] == "downloading the broker: 2 of 2 MB"
    assert len(lines) == 2

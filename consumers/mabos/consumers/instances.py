"""Several worker processes seen from outside as one: their metrics side by side, ready when each of them is.

Each process serves its own monitor on a free loopback port and leaves the port in a file. The one that watches over
them asks all at once, waits less than a second, and leaves out who does not answer.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

from mabos.consumers.supervisor import InstanceState
from mabos.kafka.ports import LOOPBACK

LABEL = "instance"
"""The label that tells the processes apart: their numbers, from 0."""

_ANSWER_TIMEOUT_S = 0.8
_MAX_ANSWER_BYTES = 32 * 1024 * 1024
_MOST_REASONS = 3
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


def write_port(file: Path, port: int) -> None:
    """Leave the port of this process's monitor in a file, in one step: a reader finds all of it, or what was before."""
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    draft.write_text(json.dumps({"pid": os.getpid(), "port": port}), encoding="utf-8")
    draft.replace(file)


class Instances:
    """A collector, as prometheus_client calls what yields families, over the instances of a supervisor.

    Beside the families of the instances it has four of its own: ``mabos_worker_instances_wanted`` and
    ``mabos_worker_instances_running``; and by instance ``mabos_worker_restarts_total``, and
    ``mabos_worker_scrape_failures_total``, which counts how often it was left out.

    Args:
        look: Gives the state of each instance; on any thread.
        port_files: Where each leaves its port with :func:`write_port`, instance 0 first. They outlive restarts: a port
            counts only while the process that left it runs.
    """

    def __init__(self, look: Callable[[], Sequence[InstanceState]], port_files: Sequence[Path]) -> None:
        self._look, self._port_files = look, port_files
        self._failures: dict[int, int] = {}

    def collect(self) -> Iterator[Metric]:
        """All families, as they are now."""
        states = self._look()
        answers = self._ask(states, "/metrics")
        found: dict[int, list[Metric]] = {}
        for state in states:
            status, text = answers.get(state.number, (0, ""))
            families = _parse(text) if status == 200 else None
            if families is None:
                self._failures[state.number] = self._failures.get(state.number, 0) + 1
            else:
                found[state.number] = families
        yield from self._own(states)
        yield from merge_families(found)

    def unready(self) -> str | None:
        """Why not all instances are ready, in one line that names some of those that are not; None when all are."""
        states = self._look()
        answers = self._ask(states, "/readyz")
        reasons = []
        for state in states:
            status, text = answers.get(state.number, (0, "does not answer"))
            if status != 200:
                what = "is not running" if state.pid is None else text.strip() or f"answers {status}"
                reasons.append(f"instance {state.number}: {what}")
        if len(reasons) > _MOST_REASONS:
            reasons[_MOST_REASONS:] = [f"and {len(reasons) - _MOST_REASONS} more"]
        return "; ".join(reasons) or None

    def _own(self, states: Sequence[InstanceState]) -> Iterator[Metric]:
        running = sum(state.pid is not None for state in states)
        yield GaugeMetricFamily("mabos_worker_instances_wanted", "Worker processes that shall run.", len(states))
        yield GaugeMetricFamily("mabos_worker_instances_running", "Worker processes that run.", running)
        restarts = CounterMetricFamily(
            "mabos_worker_restarts", "Worker processes that ended by themselves and were started again.", labels=[LABEL]
        )
        failures = CounterMetricFamily(
            "mabos_worker_scrape_failures", "How often an instance did not answer and was left out.", labels=[LABEL]
        )
        for state in states:
            restarts.add_metric([str(state.number)], state.restarts)
            failures.add_metric([str(state.number)], self._failures.get(state.number, 0))
        yield from (restarts, failures)

    def _ask(self, states: Sequence[InstanceState], path: str) -> dict[int, tuple[int, str]]:
        ports = {
            state.number: port
            for state in states
            if state.pid is not None and (port := _read_port(self._port_files[state.number], state.pid)) is not None
        }
        return asyncio.run(_ask_all(ports, path))


def merge_families(found: Mapping[int, Iterable[Metric]]) -> Iterator[Metric]:
    """The families of all instances, each once, with the samples of every instance under its label."""
    merged: dict[str, Metric] = {}
    for number, families in found.items():
        for family in families:
            whole = merged.get(family.name)
            if whole is None:
                whole = merged[family.name] = Metric(family.name, family.documentation, family.type)
            whole.samples += [
                sample._replace(labels={**sample.labels, LABEL: str(number)})  # public, for all its underscore
                for sample in family.samples
            ]
    yield from merged.values()


def _read_port(file: Path, pid: int) -> int | None:
    """The port that a process left; None if it left none yet, or an earlier process did: that port may be anybody's."""
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return int(told["port"]) if told["pid"] == pid else None


def _parse(text: str) -> list[Metric] | None:
    try:
        return list(text_string_to_metric_families(text))
    except ValueError:
        return None


async def _ask_all(ports: Mapping[int, int], path: str) -> dict[int, tuple[int, str]]:
    """Status and body from each port that gives them in time."""
    answers: dict[int, tuple[int, str]] = {}

    async def ask(number: int, port: int) -> None:
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                answers[number] = await _get(port, path)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            return  # whoever asked sees that it is missing

    await asyncio.gather(*(ask(number, port) for number, port in ports.items()))
    return answers


async def _get(port: int, path: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\nConnection: close\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = _CONTENT_LENGTH.search(head)
        if length is None or int(length[1]) > _MAX_ANSWER_BYTES:
            raise ValueError("an answer without a length, or too long")
        body = await reader.readexactly(int(length[1]))
        return int(head.split(b" ", 2)[1]), body.decode()
    finally:
        writer.close()

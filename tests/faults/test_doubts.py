"""A commit gets no answer: an exactly-once worker looks up what became of it; nothing is lost, or answered twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mabos.kafka.local_broker import LocalBroker
from mabos.kafka.ports import LOOPBACK, free_ports
from mabos.kafka.settings import Settings
from tests.support.judge import must_hold, send_tasks, wait_until_committed
from tests.support.platform import Platform
from tests.support.processes import read_begun, worker_processes
from tests.support.proxy import END_TXN, BrokerProxy
from tests.support.waiting import eventually

TASKS = 200
_SESSION_MS = "60000"  # the worker shall have its partitions still when it is back: what it knows of the commit decides


@pytest.fixture(scope="module")
def ports() -> tuple[int, int, int, int]:
    """For those who use no proxy, for the proxy's connections, for the controller, and the proxy's own."""
    first, second, third, fourth = free_ports(4)
    return first, second, third, fourth


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, ports: tuple[int, int, int, int]) -> Iterator[LocalBroker]:
    """A broker with a second listener, whose clients are told to come through the proxy."""
    direct, behind, controller, through = ports
    properties = {
        "listeners": ",".join(
            f"{name}://{LOOPBACK}:{port}"
            for name, port in (("PLAINTEXT", direct), ("THROUGH", behind), ("CONTROLLER", controller))
        ),
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{direct},THROUGH://{LOOPBACK}:{through}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,THROUGH:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller}",
        "group.consumer.session.timeout.ms": _SESSION_MS,
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
    }
    with LocalBroker(direct, data_dir=tmp_path_factory.mktemp("doubts"), properties=properties) as running:
        yield running


@pytest.fixture
def settings(platform: Platform, broker: LocalBroker) -> Settings:
    """Settings of a queue of the test's own, past the proxy."""
    return platform.new_queue(bootstrap_servers=broker.bootstrap_servers)


@pytest.mark.parametrize(("what", "is_committed"), [("answer", True), ("request", False)])
def test_a_commit_in_doubt_is_looked_up(
    settings: Settings, ports: tuple[int, int, int, int], tmp_path: Path, what: str, is_committed: bool
) -> None:
    """Its answer is lost, so it is done, or it was never heard of; the handlers do not run again for it either way."""
    _, behind, _, through = ports
    group = f"doubt-{settings.queue}"
    there = settings.model_copy(update={"bootstrap_servers": f"{LOOPBACK}:{through}"})
    options = {"limits": {"delivery": "exactly-once", "concurrency": 16}}
    with BrokerProxy(through, behind) as proxy, worker_processes(there, group, tmp_path, 1, options) as (worker,):
        send_tasks(settings, [("agent-0", "t-first", {})])
        wait_until_committed(settings, group, timeout_s=30)
        proxy.lose(END_TXN, what)
        send_tasks(settings, ((f"agent-{n % 20}", f"t-{n}", {"n": n}) for n in range(TASKS)))
        assert proxy.has_lost.wait(30)
        eventually(lambda: "the transactional producer is broken" in worker.log, timeout_s=60)
        proxy.restore()
        eventually(lambda: "a transaction in doubt was looked up" in worker.log, timeout_s=60)
        assert f"is_committed={is_committed}" in worker.log
        wait_until_committed(settings, group, timeout_s=60)
        worker.terminate()
        assert worker.wait() == 0
    must_hold(settings, tasks=TASKS + 1)
    assert len(read_begun(tmp_path)) == TASKS + 1

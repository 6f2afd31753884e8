"""A gateway that publishes a replay is killed, or frozen: another goes on, and no task comes twice."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from mabos.consumers.lineage import read_replay_of
from mabos.gateway import create_app
from mabos.gateway.replaystore import GONE_S
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.streams.local_database import LocalDatabase
from tests.gateway.sockets import serve
from tests.support.gateways import gateway_process
from tests.support.judge import send_tasks
from tests.support.road import read_topic
from tests.support.scale import scaled
from tests.support.waiting import eventually

TASKS, RATE_PER_S = scaled(6000, 60_000), 1000


@pytest.fixture
def roads(settings: Settings) -> Iterator[Settings]:
    """A queue with tasks, and a database."""
    with LocalDatabase() as database:
        found = settings.model_copy(update={"database_url": SecretStr(database.url)})
        send_tasks(found, [(f"agent-{number % 20}", f"{number}", {}) for number in range(TASKS)])
        yield found


def replayed(settings: Settings) -> Counter[str]:
    """How often each old request was published again."""
    stored = read_topic(settings, Queue(name=settings.queue).requests)
    found = [read_replay_of([(name, data or b"") for name, data in one.headers]) for one in stored]
    return Counter(one.task_id for one in found if one is not None)


@pytest.mark.parametrize("fault", ["killed", "frozen"])
def test_another_gateway_goes_on(roads: Settings, tmp_path: Path, fault: str) -> None:
    """Once the first is known gone; one that was only frozen wakes while the other publishes, and adds nothing."""
    with gateway_process(roads, tmp_path) as (process, url), serve(create_app(roads)) as other:

        def look(base: str) -> Any:
            return httpx.get(f"{base}/api/replays/{replay_id}", timeout=60).json()

        here = f"http://127.0.0.1:{other.port}"
        wanted = {"kind": "reprocess", "rate_per_s": RATE_PER_S}
        replay_id = httpx.post(f"{url}/api/replays", json=wanted, timeout=60).json()["replay_id"]
        eventually(lambda: look(here)["state"] == "ready", timeout_s=60)
        assert httpx.post(f"{url}/api/replays/{replay_id}/apply", timeout=60).status_code == 202
        eventually(lambda: look(here)["published"], timeout_s=60)
        process.send_signal(signal.SIGKILL if fault == "killed" else signal.SIGSTOP)
        assert httpx.post(f"{here}/api/replays/{replay_id}/apply", timeout=60).status_code == 409, "it may be at work"
        eventually(lambda: look(here)["state"] == "interrupted", timeout_s=GONE_S + 60)
        before = replayed(roads).total()
        assert 0 < before < TASKS
        assert httpx.post(f"{here}/api/replays/{replay_id}/apply", timeout=60).status_code == 202
        if fault == "frozen":
            eventually(lambda: look(here)["published"] > before, timeout_s=60)
            process.send_signal(signal.SIGCONT)
        done = eventually(lambda: (found := look(here))["state"] == "done" and found, timeout_s=120)
        if fault == "frozen":
            assert look(url)["state"] == "done"
            process.terminate()
            process.wait(60)
    assert done["published"] == TASKS
    assert replayed(roads) == {f"{number}": 1 for number in range(TASKS)}

"""What operators ask of Kafka through the gateway, where there is none."""

from __future__ import annotations

import pytest

from mabos.gateway import operations
from mabos.kafka.settings import Settings
from tests.gateway.fakes import Door
from tests.gateway.shape import fields_of, read_problem
from tests.support.nowhere import closed_port


@pytest.mark.parametrize("path", ["/api/workers", "/api/workers?group=mabos", "/api/topics"])
def test_kafka_that_is_away_is_a_problem_that_says_so(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """503, with what to do and when to come back."""
    monkeypatch.setattr(operations, "_ASK_S", 0.2)
    with closed_port() as nowhere:
        answer = Door(settings=Settings(bootstrap_servers=nowhere)).ask("GET", path)
    problem = read_problem(answer, 503)
    assert problem["detail"].startswith(f"no Kafka answers at {nowhere}: start one with `mabos up`")
    assert answer.headers["retry-after"] == "2"


def test_a_group_without_a_name_is_refused() -> None:
    """422 that names it."""
    assert fields_of(read_problem(Door().ask("GET", "/api/workers?group="), 422)) == ["group"]

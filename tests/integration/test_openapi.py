"""What the description promises, asked of the running gateway by schemathesis: requests that nobody would write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import positive_data_acceptance

from mabos.consumers import AgentGroup, Task
from mabos.gateway import create_app
from mabos.gateway.app import Parts
from mabos.gateway.sse import StreamLimits
from mabos.kafka.settings import Settings
from mabos.streams.local_database import LocalDatabase
from tests.gateway.sockets import ask, serve
from tests.support.platform import Platform
from tests.support.road import running
from tests.support.scale import scaled
from tests.support.view import make_view

LEFT_OUT = [positive_data_acceptance]
"""Left out: JSON Schema cannot say how many bytes an id may have, nor that integers have 64 bits."""
EXAMPLES = scaled(25, 1000)
"""How many requests each operation gets."""

PLAN = b'{"task_id": "1", "agent_id": "agent_1", "payload": {"action": "test"}}'


@pytest.fixture(scope="module")
def port(platform: Platform, database: LocalDatabase) -> Iterator[int]:
    """That of a gateway with a worker and an empty view; its streams are short, so that their readers see an end."""
    agents = AgentGroup("openapi")

    @agents.on_task_request()
    def answer(task: Task) -> dict[str, int]:
        return {"members": len(task.payload)}

    parts = Parts(streams=StreamLimits(max_age_s=0.05))
    queue = make_view(platform, database)
    with running(agents, queue), serve(create_app(queue, parts)) as served:
        yield served.port


def operations() -> dict[str, APIOperation]:
    """What the gateway describes, by method and path; the description does not depend on where things are."""
    document = create_app(Settings(bootstrap_servers="127.0.0.1:1")).openapi()
    found = (result.ok() for result in schemathesis.openapi.from_dict(document).get_all_operations())
    return {operation.label: operation for operation in found}


OPERATIONS = operations()


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_conforms(port: int, label: str) -> None:
    """No 5xx, no status, header, media type or body that is not described; what breaks the description is refused."""
    answers: Counter[int] = Counter()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    @given(case=OPERATIONS[label].as_strategy())
    def conforms(case: Case) -> None:
        answer = case.call_and_validate(base_url=f"http://127.0.0.1:{port}", excluded_checks=LEFT_OUT)
        answers[answer.status_code] += 1

    conforms()
    assert sum(answers.values()) >= min(EXAMPLES, 1)
    assert max(answers) < 500


def test_the_call_of_the_plan_works_literally(port: int) -> None:
    """202 with the message of the plan."""
    head = (
        b"POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    )
    answer = ask(port, head % len(PLAN) + PLAN)
    assert answer.status == 202
    assert answer.json()["message"] == "Task request sent"

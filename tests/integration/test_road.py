"""The whole road on the real broker: a task goes in, its response comes out."""

from __future__ import annotations

import asyncio

from mabos.consumers import AgentGroup, AsyncTaskClient, Task, TaskClient
from mabos.kafka.settings import Settings
from mabos.schemas import Status
from tests.support.road import running


def test_async_and_plain_handlers_answer(settings: Settings) -> None:
    """A call returns what the handler returned, whichever kind of function it is."""
    agents = AgentGroup("road")

    @agents.on_task_request("double")
    async def double(task: Task) -> dict[str, int]:
        return {"n": task.payload["n"] * 2}

    @agents.on_task_request("triple")
    def triple(task: Task) -> dict[str, int]:
        return {"n": task.payload["n"] * 3}

    with running(agents, settings), TaskClient(settings) as client:
        two = client.call(agent_id="a", payload={"action": "double", "n": 21})
        three = client.call(agent_id="a", payload={"action": "triple", "n": 14})
    assert (two.status, two.result) == (Status.COMPLETED, {"n": 42})
    assert (three.status, three.result) == (Status.COMPLETED, {"n": 42})


def test_the_async_client_calls(settings: Settings) -> None:
    """Many calls wait on one event loop at once, and each gets its own answer."""
    count = 100
    agents = AgentGroup("road")

    @agents.on_task_request()
    async def echo(task: Task) -> dict[str, object]:
        return {"agent": task.agent_id, "n": task.payload["n"]}

    async def call_all() -> list[dict[str, object]]:
        async with AsyncTaskClient.from_settings(**settings.model_dump()) as client:
            calls = [client.call(agent_id=f"a{n % 7}", payload={"n": n}) for n in range(count)]
            return [response.result for response in await asyncio.gather(*calls)]

    with running(agents, settings):
        results = asyncio.run(call_all())
    assert results == [{"agent": f"a{n % 7}", "n": n} for n in range(count)]

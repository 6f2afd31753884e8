"""The application as a whole: paths, methods, its description, and the life of its producer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mabos.gateway.models import NewTask
from tests.gateway.fakes import Door, registry_away
from tests.gateway.shape import read_problem


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api", 404),
        ("POST", "/api/tasks/", 405),
        ("GET", "/api/none/1", 404),
        ("GET", "/api/%00", 404),
        ("GET", "/" + "x" * 5000, 404),
        ("GET", "/redoc", 404),
        ("PUT", "/api/tasks", 405),
        ("DELETE", "/api/tasks", 405),
        ("OPTIONS", "/api/tasks", 405),
        ("PROPFIND", "/api/tasks", 405),
        ("POST", "/healthz", 405),
        ("POST", "/readyz", 405),
    ],
)
def test_a_wrong_path_or_method_is_a_problem(method: str, path: str, status: int) -> None:
    """Also what the framework itself refuses is told as a problem; a 405 names the methods there are."""
    answer = Door().ask(method, path)
    read_problem(answer, status)
    assert ("allow" in answer.headers) == (status == 405)


def test_the_description_names_every_answer_and_its_model() -> None:
    """What a generated client needs is there: the request's model with examples, each status with its model."""
    document = Door().ask("GET", "/openapi.json").json()
    post = document["paths"]["/api/tasks"]["post"]
    assert post["operationId"] == "create_task"
    (body,) = post["requestBody"]["content"].values()
    assert body["schema"] == {"$ref": "#/components/schemas/NewTask"}
    assert set(post["responses"]) == {
        *("200", "202", "400", "401", "403", "408", "409", "413", "415", "422", "429", "500", "503")
    }
    for path in document["paths"].values():
        for operation in path.values():
            for status, answer in operation["responses"].items():
                for kind, content in answer.get("content", {}).items():
                    assert (kind == "application/problem+json") == (status >= "400")
                    schema = content["schema"].get("items", content["schema"])
                    if kind in ("application/json", "application/problem+json"):
                        assert schema["$ref"].rpartition("/")[2] in document["components"]["schemas"]
                    else:
                        assert content["example"]
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_the_examples_of_the_description_are_taken() -> None:
    """An example that is copied works."""
    document = Door().ask("GET", "/openapi.json").json()
    examples = document["components"]["schemas"]["NewTask"]["examples"]
    assert len(examples) == 2
    for example in examples:
        assert Door().ask("POST", "/api/tasks", json=example).status_code == 202
        NewTask.model_validate(example)


async def live(door: Door, during: Any = None) -> None:
    async with door.app.router.lifespan_context(door.app):
        if during is not None:
            await during()


def test_the_producer_is_made_at_the_start_and_stopped_at_the_end() -> None:
    """The first task does not wait for a producer; the end flushes it, in bounded time."""
    door = Door()
    asyncio.run(live(door))
    assert door.factory.calls == 1
    assert door.producer.stopped_with_s == [5.0]


def test_the_application_starts_and_ends_without_the_registry() -> None:
    """Nothing to make a producer of is no reason not to start, nor not to end."""
    door = Door()
    door.factory.error = registry_away()
    asyncio.run(live(door))
    assert door.producer.stopped_with_s == []

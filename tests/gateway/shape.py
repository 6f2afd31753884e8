"""The shape that every problem has."""

from __future__ import annotations

from typing import Any

import httpx

MEMBERS = {"type", "title", "status", "detail", "errors", "may_be_stored", "task_id"}


def read_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem in an answer, checked to be one, to have this status, and to tell no secrets."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "server" not in answer.headers
    problem: dict[str, Any] = answer.json()
    assert set(problem) <= MEMBERS
    assert problem["type"] == "about:blank"
    assert problem["title"]
    assert problem["status"] == status
    assert problem["detail"]
    assert "\n" not in problem["detail"]
    assert "Traceback" not in answer.text
    assert all(set(error) == {"field", "message"} for error in problem.get("errors", ()))
    return problem


def fields_of(problem: dict[str, Any]) -> list[str]:
    """The fields that a problem names."""
    return [error["field"] for error in problem.get("errors", ())]

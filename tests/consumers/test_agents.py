"""Which function does which kind of task."""

from __future__ import annotations

import pytest

from mabos.consumers import AgentGroup, InvalidHandler, RetryPolicy, Task


def do(task: Task) -> None: ...


def test_an_action_finds_its_handler() -> None:
    """A task goes to the handler of its action, and to the one for all others where there is none."""
    agents = AgentGroup("g")
    named = agents.on_task_request("named")(lambda task: {"is": "named"})
    other = agents.on_task_request()(lambda task: {"is": "other"})
    found = {action: agents.find_handler(action) for action in ("named", "else")}
    assert {action: handler and handler.function for action, handler in found.items()} == {
        "named": named,
        "else": other,
    }
    for strange in (None, 5, ["named"], {}):
        handler = agents.find_handler(strange)
        assert handler is not None
        assert handler.function is other
    assert agents.actions == ["named"]
    assert [handler.action for handler in agents.handlers] == ["named", None]


def test_without_a_handler_for_all_others_there_is_none() -> None:
    """An unknown action is nobody's, so that it can be rejected."""
    agents = AgentGroup("g")
    agents.on_task_request("named")(do)
    assert agents.find_handler("else") is None


@pytest.mark.parametrize(("action", "what"), [("act", 'action "act"'), (None, "all other tasks")])
def test_two_handlers_of_one_action_are_refused(action: str | None, what: str) -> None:
    """The second would silently win, or lose."""
    agents = AgentGroup("g")
    agents.on_task_request(action)(do)
    with pytest.raises(InvalidHandler, match=f"^{what} of group g has a handler already"):
        agents.on_task_request(action)(do)


def test_a_forgotten_pair_of_parentheses_is_told() -> None:
    """``@agents.on_task_request`` without parentheses is the usual slip."""
    with pytest.raises(InvalidHandler, match="with parentheses"):
        AgentGroup("g").on_task_request(do)  # type: ignore[arg-type]  # that is the test


def test_an_action_that_is_no_word_is_refused() -> None:
    """Also one that no dictionary could look up."""
    with pytest.raises(InvalidHandler, match="must be a string"):
        AgentGroup("g").on_task_request(["a"])(do)  # type: ignore[arg-type]  # that is the test


def test_a_group_needs_a_name() -> None:
    """It is the Kafka consumer group."""
    with pytest.raises(InvalidHandler, match="needs a name"):
        AgentGroup("")


def test_a_handler_may_have_a_retry_policy_of_its_own() -> None:
    """Others have the group's."""
    agents = AgentGroup("g", retry=RetryPolicy(max_attempts=7))
    agents.on_task_request("one", retry=RetryPolicy(max_attempts=1))(do)
    agents.on_task_request("all")(do)
    assert [handler.retry.max_attempts for handler in agents.handlers] == [1, 7]


def test_the_function_stays_what_it_was() -> None:
    """A decorated handler can still be called by a test."""
    assert AgentGroup("g").on_task_request()(do) is do

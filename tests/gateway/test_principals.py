"""What a caller may do, and for which agents."""

from __future__ import annotations

import pytest

from mabos.gateway.errors import Refused
from mabos.gateway.principals import LOCAL, Principal, Scope, check_pattern, read_scopes

BILLING = Principal(name="key:1", scopes=frozenset({Scope.TASKS_READ}), agents=("billing-*", "mail"))


def test_a_scope_that_is_lacking_is_named() -> None:
    """Whoever asked can tell an operator what to grant."""
    BILLING.require(Scope.TASKS_READ)
    with pytest.raises(Refused, match="key:1 lacks the scope tasks:write") as caught:
        BILLING.require(Scope.TASKS_WRITE)
    assert caught.value.status == 403


@pytest.mark.parametrize(
    ("agent_id", "is_reached"),
    [
        ("billing-1", True),
        ("billing-", True),
        ("billing-1\nx", True),
        ("billing", False),
        ("Billing-1", False),
        ("a-billing-1", False),
        ("mail", True),
        ("mail2", False),
        ("mai?", False),
        ("", False),
    ],
)
def test_patterns_hold_for_the_whole_id(agent_id: str, is_reached: bool) -> None:
    """Only * stands for more than itself, and case counts."""
    assert BILLING.may_reach(agent_id) is is_reached
    assert LOCAL.may_reach(agent_id)
    if not is_reached:
        with pytest.raises(Refused, match=r"its agents are billing-\*, mail"):
            BILLING.require_agent(agent_id)


def test_whoever_asks_an_open_gateway_may_do_all() -> None:
    """Each scope that there is."""
    for scope in Scope:
        LOCAL.require(scope)
    assert LOCAL.reaches_all
    assert not BILLING.reaches_all


def test_a_scope_that_is_none_is_refused_by_name() -> None:
    """With those that there are."""
    assert read_scopes(["ops:read", "tasks:read"]) == {Scope.OPS_READ, Scope.TASKS_READ}
    with pytest.raises(ValueError, match=r'"tasks:all" is no scope, there are: tasks:write, .*ops:write'):
        read_scopes(["tasks:read", "tasks:all"])


@pytest.mark.parametrize("pattern", ["", "x" * 256, "a[bc]", "a?"])
def test_a_pattern_that_would_mean_something_else_elsewhere_is_refused(pattern: str) -> None:
    """Such as a shell's classes."""
    with pytest.raises(ValueError, match="pattern"):
        check_pattern(pattern)

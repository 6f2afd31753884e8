"""Who asks, and what that caller may do. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from mabos.gateway.errors import Refused
from mabos.streams.filters import may_see

_PATTERN_BYTES = 255
_UNSEARCHED = re.compile(r"[\[\]?]")


class Scope(StrEnum):
    """What a caller may be allowed to do."""

    TASKS_WRITE = "tasks:write"
    TASKS_READ = "tasks:read"
    TASKS_CANCEL = "tasks:cancel"
    REPLAY_RUN = "replay:run"
    OPS_READ = "ops:read"
    OPS_WRITE = "ops:write"


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A caller, known by name."""

    name: str
    """As the audit log names it: ``key:<id>``, ``jwt:<subject>``, or ``local``."""
    scopes: frozenset[Scope]
    """What it may do."""
    agents: tuple[str, ...] = ("*",)
    """For which agents: ids, or patterns in which ``*`` stands for anything."""
    rate_per_s: float | None = None
    """How many requests a second it may make, on average; None for the gateway's own bound."""

    def require(self, scope: Scope) -> None:
        """Go on only if it may do that.

        Raises:
            Refused: 403, it may not.
        """
        if scope not in self.scopes:
            raise Refused(403, f"{self.name} lacks the scope {scope.value}")

    def may_reach(self, agent_id: str) -> bool:
        """Whether it may ask for, or see, tasks of an agent."""
        return may_see(self.agents, agent_id)

    def require_agent(self, agent_id: str) -> None:
        """Go on only if it may reach that agent.

        Raises:
            Refused: 403, the agent is none of its agents.
        """
        if not self.may_reach(agent_id):
            known = ", ".join(self.agents) or "none"
            raise Refused(403, f"{self.name} may not reach this agent: its agents are {known}")

    @property
    def reaches_all(self) -> bool:
        """Whether there is no agent that it may not reach."""
        return "*" in self.agents


LOCAL = Principal(name="local", scopes=ALL_SCOPES)
"""Whoever asks a gateway that is open, which only one on loopback is."""


def read_scopes(names: Iterable[str]) -> frozenset[Scope]:
    """Scopes of their names.

    Raises:
        ValueError: A name is none; says which there are.
    """
    found = set()
    for name in names:
        try:
            found.add(Scope(name))
        except ValueError:
            raise ValueError(f'"{name}" is no scope, there are: {", ".join(Scope)}') from None
    return frozenset(found)


def check_pattern(pattern: str) -> str:
    """An agent pattern, as it is.

    Raises:
        ValueError: It is empty, too long, or holds what other tools take for more than itself.
    """
    if not pattern or len(pattern.encode()) > _PATTERN_BYTES:
        raise ValueError(f"an agent pattern has 1 to {_PATTERN_BYTES} bytes")
    if _UNSEARCHED.search(pattern):
        raise ValueError(f'agent pattern "{pattern}": only * stands for something else than itself')
    return pattern

"""Cancels: bounded, and never missed by who asks while they are added."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from mabos.consumers.cancels import Cancels

NAMES = st.sampled_from(["a", "b", "c"])
ADDED = st.lists(st.tuples(NAMES, NAMES, st.sampled_from(["", "x", "y"])), max_size=40)


def test_what_was_cancelled_is_found_with_its_reason() -> None:
    """By agent and task, for two agents may have tasks of one name; no reason is the empty one."""
    cancels = Cancels()
    assert not cancels
    cancels.add("a", "t", "asked twice")
    cancels.add("a", "u", "")
    assert (len(cancels), bool(cancels)) == (2, True)
    assert cancels.find("a", "t") == "asked twice"
    assert cancels.find("a", "u") == ""
    assert cancels.find("b", "t") is None


@given(added=ADDED, limit=st.integers(1, 9))
def test_the_newest_are_kept(added: list[tuple[str, str, str]], limit: int) -> None:
    """As many as allowed, by when each was said last; the first reason counts for as long as its task is kept."""
    cancels, model = Cancels(limit), list[tuple[str, str, str]]()
    for agent_id, task_id, reason in added:
        cancels.add(agent_id, task_id, reason)
        (known,) = [entry for entry in model if entry[:2] == (agent_id, task_id)] or [(agent_id, task_id, reason)]
        model = [*(entry for entry in model if entry is not known), known][-limit:]
    assert len(cancels) == len(model)
    kept = {entry[:2]: entry[2] for entry in model}
    for agent_id, task_id, _ in added:
        assert cancels.find(agent_id, task_id) == kept.get((agent_id, task_id))


def test_a_cancel_said_again_is_found_all_the_while() -> None:
    """Whoever asks in another thread at any moment finds it, though others come and go."""
    cancels, done, missed = Cancels(100), threading.Event(), list[str]()
    cancels.add("a", "t", "reason")

    def ask() -> None:
        while not done.is_set():
            if cancels.find("a", "t") != "reason":
                missed.append("t")

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(20_000):
        cancels.add("a", f"{number}", "")
        cancels.add("a", "t", "another")
    done.set()
    for thread in threads:
        thread.join()
    assert not missed
    assert len(cancels) == 100

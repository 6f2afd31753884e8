"""When a reader has enough."""

from __future__ import annotations

from mabos.consumers.appetite import BATCH_RECORDS, Appetite, Supply

MANY = 2 * BATCH_RECORDS


def is_sated(
    appetite: Appetite, *, on_the_way: int = 0, waiting: int = 0, has_plenty: bool = True, now_s: float = 0.0
) -> bool:
    """Ask it."""
    return appetite.is_sated(on_the_way=on_the_way, waiting=waiting, has_plenty=has_plenty, now_s=now_s)


def test_it_is_hungry_until_two_batches_wait() -> None:
    """One is worked on while the next is read."""
    assert not is_sated(Appetite(), waiting=MANY - 1)
    assert is_sated(Appetite(), waiting=MANY)


def test_what_the_engine_has_not_seen_counts() -> None:
    """A busy engine takes its time: meanwhile the reader must not read all that there is."""
    assert is_sated(Appetite(), on_the_way=1000, waiting=MANY - 1000)
    assert is_sated(Appetite(), on_the_way=MANY, has_plenty=False)


def test_behind_the_backlog_of_few_agents_it_reads_on() -> None:
    """Others may come after it."""
    assert not is_sated(Appetite(), waiting=10 * MANY, has_plenty=False)


def test_it_is_not_sated_for_long() -> None:
    """What the group has to say comes in line with the records."""
    appetite = Appetite()
    assert is_sated(appetite, waiting=MANY, now_s=10.0)
    assert is_sated(appetite, waiting=MANY, now_s=10.99)
    assert not appetite.is_overfed
    assert not is_sated(appetite, waiting=MANY, now_s=11.01)
    assert not is_sated(appetite, waiting=MANY, now_s=20.0)
    assert appetite.is_overfed
    assert not is_sated(appetite, waiting=MANY - 1, now_s=21.0)
    assert not appetite.is_overfed


def test_once_hungry_it_may_be_sated_again() -> None:
    """An engine that keeps up is never in need of a pause of partitions."""
    appetite = Appetite()
    for second in range(0, 30, 3):
        assert is_sated(appetite, waiting=MANY, now_s=second)
        assert not is_sated(appetite, waiting=MANY - 1, now_s=second + 0.9)
        assert not appetite.is_overfed


def test_a_supply_says_when_it_comes_to_an_end() -> None:
    """Once, and not while there is more: then what lingers goes out."""
    supply = Supply()
    assert [supply.turn(is_more=is_more) for is_more in (False, True, True, False, False)] == [
        False,
        False,
        False,
        True,
        False,
    ]


def test_a_supply_knows_what_is_on_the_way() -> None:
    """Handed over, and not come to."""
    supply = Supply(submitted=30, accepted=10)
    assert supply.unseen == 20

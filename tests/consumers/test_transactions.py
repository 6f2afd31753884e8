"""What helps after an error in a transaction."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from mabos.consumers.transactions import Remedy, choose_remedy

ABORTABLE = KafkaError(KafkaError.ILLEGAL_GENERATION, "stale", txn_requires_abort=True)
FATAL = KafkaError(KafkaError.INVALID_TXN_STATE, "timed out at the broker", fatal=True)
PASSING = KafkaError(KafkaError._TIMED_OUT, "no answer", retriable=True)


@pytest.mark.parametrize("error", [ABORTABLE, FATAL, PASSING], ids=str)
def test_after_a_commit_was_tried_only_the_log_can_tell(error: KafkaError) -> None:
    """Whatever the error says: the commit may be done at the broker, its answer lost."""
    assert choose_remedy(error, is_committing=True) is Remedy.ASK


def test_before_a_commit_a_producer_is_kept_where_an_abort_cures_it() -> None:
    """Else it is of no more use, and nothing that it sent will be seen."""
    assert choose_remedy(ABORTABLE, is_committing=False) is Remedy.ABORT
    assert choose_remedy(FATAL, is_committing=False) is Remedy.RENEW
    assert choose_remedy(PASSING, is_committing=False) is Remedy.RENEW

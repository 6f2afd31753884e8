"""What one transaction holds, and what the broker said of it."""

from __future__ import annotations

from confluent_kafka import KafkaError, Message

from mabos.consumers.delivery import Kind, Outgoing
from mabos.consumers.parcel import Parcel, fit
from mabos.consumers.verdicts import Answered
from mabos.schemas.events import Status
from tests.support.jobs import RESPONSES, make_answers, make_job


def make_outgoing(number: int) -> Outgoing:
    job = make_job(offset=number)
    return Outgoing(make_answers().respond(job, Answered(Status.COMPLETED)), job, Kind.RESPONSE)


def at(offset: int) -> Message:
    return Message(offset=offset)


def test_it_is_stored_when_each_record_has_its_place() -> None:
    """Only then may it be committed, and each of its records is proof of it."""
    parcel, first, second = Parcel(0.0), make_outgoing(0), make_outgoing(1)
    assert (parcel.is_stored, parcel.proof) == (True, None)
    parcel.sent += [first, second]
    parcel.note(second, None, at(8))
    assert (parcel.is_stored, parcel.proof) == (False, (second.record, 8))
    parcel.note(first, None, at(7))
    assert parcel.is_stored


def test_a_record_without_a_place_is_not_stored() -> None:
    """As after a repeated send, where the broker says that it has the record, and not where."""
    parcel, only = Parcel(0.0), make_outgoing(0)
    parcel.sent.append(only)
    parcel.note(only, None, at(-1001))
    assert (parcel.is_stored, parcel.proof, parcel.reports()) == (False, None, [(only, None)])


def test_what_the_broker_refuses_keeps_its_reason() -> None:
    """In the order in which all was sent."""
    parcel, first, second = Parcel(0.0), make_outgoing(0), make_outgoing(1)
    parcel.sent += [first, second]
    error = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
    parcel.note(first, error, at(-1001))
    parcel.note(second, None, at(3))
    assert not parcel.is_stored
    assert parcel.reports() == [(first, error), (second, None)]


def test_what_was_refused_is_sent_again_made_smaller_or_given_up() -> None:
    """By the reason: an outage passes, a size can be cut once, a missing right is for a person to mend."""
    job, answers = make_job(), make_answers()
    large = Outgoing(answers.respond(job, Answered(Status.COMPLETED, f'{{"x": "{"x" * 999}"}}')), job, Kind.RESPONSE)
    assert fit(large, KafkaError(KafkaError._MSG_TIMED_OUT), answers) is large
    small = fit(large, KafkaError(KafkaError.MSG_SIZE_TOO_LARGE), answers)
    assert small is not None
    assert RESPONSES.decode(small.record.value).status is Status.FAILED
    assert fit(small, KafkaError(KafkaError.MSG_SIZE_TOO_LARGE), answers) is None
    assert fit(large, KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED), answers) is None

"""The headers of a record, whoever wrote them."""

from __future__ import annotations

from operator import methodcaller

from confluent_kafka import Message

Headers = tuple[tuple[str, bytes], ...]

_ask = methodcaller("headers")  # checks what it gets; Python's own call of a method that is called often does not


def headers_of(message: Message) -> Headers:
    """The headers of a record; a value that is null counts as empty.

    Kafka takes any bytes as the name of a header. Where they are no UTF-8, confluent-kafka 2.16 gives tuples that hold
    nothing, and whoever looks into one ends the process; that an error is set with them is noticed the first time, and
    only by a call that checks. So the headers of such a record count as absent, and are taken off it.
    """
    try:
        headers = _ask(message)
    except (SystemError, UnicodeError):
        message.set_headers([])
        return ()
    return tuple((name, data or b"") for name, data in headers) if headers else ()

"""quixstreams: a stream from the requests to the responses, at least once."""

from typing import Any

import orjson
from quixstreams import Application

from benchmarks.wire import Wire, do_task, read_road

road = read_road()
wire = Wire(road)
app = Application(
    broker_address=road.servers,
    consumer_group=road.group,
    auto_offset_reset="earliest",
    commit_interval=0.5,
    auto_create_topics=False,
    producer_extra_config={"enable.idempotence": True, "compression.type": "lz4"},
    loglevel="WARNING",
)
requests = app.topic(road.requests, value_deserializer="bytes", key_deserializer="bytes")
responses = app.topic(road.responses, value_serializer="bytes", key_serializer="bytes")


def answer(value: Any) -> bytes:  # noqa: ANN401 - quixstreams' type
    """The response to a request."""
    request = wire.decode_request(value)
    result = orjson.dumps(do_task(orjson.loads(request["payload"]))).decode()
    return wire.encode_response(request, result)


app.dataframe(requests).apply(answer).to_topic(responses)
app.run()

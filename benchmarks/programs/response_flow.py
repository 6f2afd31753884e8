"""Other people's tasks: 10,000 responses a second, written until it is told to stop."""

import time

import orjson
from confluent_kafka import Producer

from benchmarks.tasks import make_task
from benchmarks.wire import Wire, do_task, read_road

RATE = 10_000
_TURN_S = 0.01


def main() -> None:
    """Write."""
    road = read_road()
    wire = Wire(road)
    values = []
    for number in range(1000):
        task_id, agent_id, payload = make_task(number)
        request = {"task_id": f"other-{task_id}", "agent_id": f"other-{agent_id}"}
        result = orjson.dumps(do_task(payload)).decode()
        values.append((request["agent_id"].encode(), wire.encode_response(request, result)))
    producer = Producer({"bootstrap.servers": road.servers, "linger.ms": 1})
    began_s, sent = time.monotonic(), 0
    while True:
        wanted = round((time.monotonic() - began_s) * RATE)
        for number in range(sent, wanted):
            key, value = values[number % len(values)]
            producer.produce(road.responses, value, key)
        sent = wanted
        producer.poll(0)
        time.sleep(_TURN_S)


if __name__ == "__main__":
    main()

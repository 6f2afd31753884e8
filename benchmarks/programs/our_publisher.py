"""Ours: publishes tasks, and looks at every receipt.

The first is waited for, so that the rest meets open connections.
"""

from collections import deque

from benchmarks.tasks import make_task
from benchmarks.wire import read_road
from mabos.kafka.settings import load_settings
from mabos.producers import Receipt, TaskProducer

WINDOW = 10_000


def main() -> None:
    """Publish all tasks; ends when each is acknowledged."""
    road = read_road()
    settings = load_settings(
        bootstrap_servers=road.servers,
        schema_registry_url=road.registry_url,
        queue=road.queue,
        cache_dir=road.cache_dir,
    )
    receipts: deque[Receipt] = deque()
    with TaskProducer(settings) as producer:
        for number in range(road.count):
            task_id, agent_id, payload = make_task(number)
            receipts.append(producer.send_task_request(agent_id=agent_id, payload=payload, task_id=task_id))
            if number == 0 or len(receipts) >= WINDOW:
                receipts.popleft().result()
        for receipt in receipts:
            receipt.result()


if __name__ == "__main__":
    main()

"""Ours: a replay's scan for one agent. Prints what it read, found and took."""

import json
import time

from benchmarks.tasks import make_task
from benchmarks.wire import read_road
from mabos.consumers import History, Selection, find_reach
from mabos.kafka.clients import open_registry
from mabos.kafka.settings import load_settings

road = read_road()
settings = load_settings(
    bootstrap_servers=road.servers,
    schema_registry_url=road.registry_url,
    queue=road.queue,
    cache_dir=road.cache_dir,
)
registry = open_registry(settings)
selection = Selection(agent_id=make_task(0)[1])
begun_s = time.monotonic()
reach = find_reach(settings, selection)
found = sum(1 for _ in History(settings, registry, selection, reach, joins=False))
took_s = time.monotonic() - begun_s
print(json.dumps({"partitions": list(reach.stretches), "records": reach.records, "found": found, "took_s": took_s}))

"""What operators see of a real broker through the gateway."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from mabos.consumers import AgentGroup, Task
from mabos.gateway.app import create_app
from mabos.kafka.clients import librdkafka_config
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from tests.gateway.sockets import Answer, ask, serve
from tests.support.judge import send_tasks, wait_until_committed
from tests.support.road import running
from tests.support.waiting import eventually


def get(port: int, path: str) -> Any:
    answer: Answer = ask(port, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert answer.status == 200
    return answer.json()


def test_workers_are_seen_while_they_work_and_after(settings: Settings) -> None:
    """Found without their group's name: each partition once, with its member or without one, and what waits there."""
    agents = AgentGroup(f"workers-{settings.queue}")

    @agents.on_task_request()
    async def work(task: Task) -> dict[str, Any]:
        return {}

    with serve(create_app(settings)) as gateway:
        none = get(gateway.port, "/api/workers")
        assert (none["group"], none["state"], none["members"], none["lag"]) == (None, "absent", [], 0)
        with running(agents, settings):
            send_tasks(settings, [(f"agent-{number}", f"{number}", {}) for number in range(20)])
            wait_until_committed(settings, agents.name, timeout_s=60)
            busy = eventually(lambda: (found := get(gateway.port, "/api/workers"))["members"] and found, timeout_s=30)
        send_tasks(settings, [("agent-1", "more", {}), ("agent-2", "more", {})])
        idle = eventually(
            lambda: (found := get(gateway.port, f"/api/workers?group={agents.name}"))["lag"] == 2 and found
        )
    assert (busy["group"], busy["state"], busy["protocol"], busy["lag"]) == (agents.name, "stable", "consumer", 0)
    (worker,) = busy["members"]
    assert [place["partition"] for place in worker["partitions"]] == list(range(12))
    assert ip_address(worker["host"]).is_private  # as the broker sees it: loopback, or the bridge to its container
    assert busy["unassigned"] == []
    assert (idle["state"], idle["members"], len(idle["unassigned"])) == ("empty", [], 12)
    assert sum(place["end"] - (place["committed"] or 0) for place in idle["unassigned"]) == 2


def test_groups_that_do_no_tasks_of_the_queue_are_absent(settings: Settings) -> None:
    """One that nobody knows, and one that reads something else: their members are nobody's business here."""
    name = f"other-{settings.queue}"
    consumer = Consumer({"bootstrap.servers": settings.bootstrap_servers, "group.id": name})
    consumer.commit(offsets=[TopicPartition(Queue(name=settings.queue).responses, 0, 0)], asynchronous=False)
    consumer.close()
    with serve(create_app(settings)) as gateway:
        for group in ("nobody", name):
            found = get(gateway.port, f"/api/workers?group={group}")
            assert (found["group"], found["state"], found["members"]) == (group, "absent", [])


def test_topics_tell_what_they_hold_and_what_is_not_as_wanted(settings: Settings) -> None:
    """Also of a topic that is not there."""
    queue, admin = Queue(name=settings.queue), AdminClient(librdkafka_config(settings, "admin"))
    send_tasks(settings, [(f"agent-{number}", f"{number}", {}) for number in range(20)])
    entry = ConfigEntry("retention.ms", "1000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, queue.responses, incremental_configs=[entry])
    admin.incremental_alter_configs([resource])[resource].result(10)
    admin.delete_topics([queue.dead_letters])[queue.dead_letters].result(10)
    with serve(create_app(settings)) as gateway:
        found = eventually(
            lambda: (
                (shown := get(gateway.port, "/api/topics")["topics"])[1]["drift"] and not shown[2]["exists"] and shown
            )
        )
    requests, responses, dead_letters, controls = found
    assert (requests["name"], requests["records"], requests["in_sync"], requests["drift"]) == (
        queue.requests,
        20,
        True,
        [],
    )
    assert (requests["partitions"], requests["replicas"], requests["retention_ms"]) == (12, 1, 604_800_000)
    assert responses["drift"] == ["retention.ms is 1000, wanted 604800000"]
    assert (dead_letters["exists"], dead_letters["in_sync"], dead_letters["records"]) == (False, False, None)
    assert dead_letters["drift"] == ["missing, to be created with 12 partitions, replication 1"]
    assert controls["exists"]

"""The gateway with no Kafka behind it: the same route, whose tasks go nowhere and are acknowledged at once.

They are checked and written as JSON as the producer does it; what is left out is Avro, the client and the broker.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from benchmarks.wire import read_road
from mabos.cli.logs import LogFormat, configure_logs
from mabos.gateway.app import Parts, create_app
from mabos.gateway.hosts import LoopbackHosts
from mabos.gateway.server import make_server, open_listener
from mabos.kafka.errors import BrokerUnavailable
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings, load_settings
from mabos.schemas.events import TaskRequest
from mabos.schemas.fields import new_task_id, to_ms
from mabos.schemas.jsontext import encode_object


@dataclass(slots=True)
class Sent:
    """A task that went nowhere."""

    task_id: str
    position: Position
    is_done: bool = True

    def __await__(self) -> Generator[Any, None, Position]:
        yield from ()
        return self.position


class Nowhere:
    """Takes tasks."""

    def __init__(self, _: Settings) -> None:
        self._count = 0

    async def send_task_request(
        self,
        *,
        agent_id: str,
        payload: Mapping[str, Any],
        task_id: str | None = None,
        deadline: datetime | None = None,
        headers: Mapping[str, str] | None = None,  # noqa: ARG002 - as the producer has it
    ) -> Sent:
        """Take a task."""
        request = TaskRequest(
            task_id=new_task_id() if task_id is None else task_id,
            agent_id=agent_id,
            payload_json=encode_object("payload", payload, max_bytes=1 << 20),
            deadline_ms=to_ms("deadline", deadline),
        )
        self._count += 1
        return Sent(request.task_id, Position("nowhere", 0, self._count))

    async def cancel_task(self, *, agent_id: str, task_id: str, reason: str = "") -> Sent:  # noqa: ARG002 - as above
        """Take a cancel."""
        return Sent(task_id, Position("nowhere", 0, 0))

    async def stop(self, timeout_s: float | None = None) -> None:
        """Nothing is left to do."""


def no_tail(_: Settings) -> Any:  # noqa: ANN401 - it gives none
    """There are no responses."""
    raise BrokerUnavailable("there is no Kafka here")


def main() -> None:
    """Serve until it is told to stop."""
    road = read_road()
    configure_logs(LogFormat.JSON)
    app = create_app(load_settings(), Parts(producer=Nowhere, tail=no_tail, kafka_look=lambda: None))
    with open_listener("127.0.0.1", road.limits["port"]) as listener:
        make_server(LoopbackHosts(app), on_stop=app.begin_stop).run(sockets=[listener])


if __name__ == "__main__":
    main()

"""The metrics endpoint of ``mabos worker run``: of one worker, and of a supervisor for all its instances.

Import it only where an endpoint is wanted: what it needs costs 60 ms, which other commands shall not pay.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import structlog

from mabos.consumers.families import WorkerFamilies
from mabos.consumers.instances import Instances, write_port
from mabos.consumers.monitor import Monitor
from mabos.consumers.supervisor import Supervisor
from mabos.consumers.worker import Worker

log = structlog.stdlib.get_logger("mabos.worker")


def monitor_worker(worker: Worker, host: str, port: int) -> Monitor:
    """The monitor of a worker that runs alone; its port is taken already.

    Raises:
        PortTaken: Another process listens there.
        MonitorFailed: The address is not one of this machine's.
    """
    return _announce(Monitor(WorkerFamilies(worker.metrics), worker.unready, host=host, port=port))


def monitor_instance(worker: Worker, port_file: Path) -> Monitor:
    """The monitor of one worker among several, on a free loopback port that it leaves in a file for its supervisor."""
    monitor = Monitor(WorkerFamilies(worker.metrics), worker.unready)
    write_port(port_file, monitor.port)
    return monitor


def monitor_supervisor(supervisor: Supervisor, port_files: Sequence[Path], host: str, port: int) -> Monitor:
    """The one monitor of all instances, which leave their ports in these files; its own port is taken already.

    Raises:
        PortTaken: Another process listens there.
        MonitorFailed: The address is not one of this machine's.
    """
    instances = Instances(supervisor.look, port_files)
    return _announce(Monitor(instances, instances.unready, host=host, port=port))


def _announce(monitor: Monitor) -> Monitor:
    host = f"[{monitor.host}]" if ":" in monitor.host else monitor.host
    log.info("metrics are served", url=f"http://{host}:{monitor.port}/metrics")
    return monitor

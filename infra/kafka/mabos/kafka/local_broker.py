"""A real Kafka on this machine: one broker, or a cluster of them, for development and tests.

::

    with LocalBroker() as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from mabos.kafka.broker_node import BrokerNode, BrokerProbe, NodePlace
from mabos.kafka.errors import PortTaken, StartFailed
from mabos.kafka.folder import DataFolder, free_bytes
from mabos.kafka.image import prepare_image
from mabos.kafka.kraft import NodeConfig, new_cluster_id, read_cluster_id
from mabos.kafka.ports import LOOPBACK, free_ports, require_free

_PORT_ATTEMPTS = 3


class LocalCluster:
    """Brokers on the loopback address, each a controller too; they die with this process.

    Args:
        brokers: How many; three survive the loss of one.
        ports: Where clients connect, one a broker; 0 or a missing one for any free port.
        data_dir: Kept, and used again at the next start; ``None`` for a temporary folder, thrown away at ``stop``.
        log_files: Log file by node id; those not named are ``broker.log`` in the node's folder.
        heap_mb: Upper bound of each broker's heap, in MiB.
        properties: Kafka's own broker properties; they win over ours.
        cache_dir: Where the Java parts are kept; ``None`` for the cache that all checkouts share.
        free: Tells the free bytes of a folder's disk.
    """

    def __init__(  # noqa: PLR0913 - all optional, all independent
        self,
        brokers: int = 3,
        *,
        ports: Sequence[int] = (),
        data_dir: Path | None = None,
        log_files: Mapping[int, Path] | None = None,
        heap_mb: int = 512,
        properties: Mapping[str, str] | None = None,
        cache_dir: Path | None = None,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._ports = [*ports, *[0] * brokers][:brokers]
        self._folder = DataFolder(data_dir, free=free)
        self._is_temporary = data_dir is None
        self._log_files = dict(log_files or {})
        self._heap_mb = heap_mb
        self._properties = dict(properties or {})
        self._cache_dir = cache_dir
        self._nodes: dict[int, BrokerNode] = {}

    @property
    def nodes(self) -> Mapping[int, BrokerNode]:
        """The brokers by node id, from 1; each can be stopped, killed, frozen and started again by itself."""
        return self._nodes

    @property
    def bootstrap_servers(self) -> str:
        """All brokers, as clients want them; empty before the first start."""
        return ",".join(f"{LOOPBACK}:{node.port}" for node in self._nodes.values())

    @property
    def data_dir(self) -> Path:
        """The folder in use."""
        return self._folder.path

    def start(self, timeout_s: float = 90.0) -> None:
        """Start all brokers and wait until each knows all others and groups can be used.

        Args:
            timeout_s: Seconds for the brokers to get ready; a first download is not counted.

        Raises:
            PortTaken: A given port is taken.
            DiskProblem: The folder cannot be written, is in use, or its disk is too full.
            DownloadFailed: A Java part cannot be had.
            StartFailed: A broker ended, or did not answer in time.
        """
        if self._folder.is_open:  # after a kill: the ports and data stay
            self._launch(timeout_s)
            return
        self._folder.open()  # first: it waits for the JVM of a killed owner, which has the port too
        try:
            for port in filter(None, self._ports):
                require_free(port, name="broker", setting="--port or MABOS_BOOTSTRAP_SERVERS")
            for attempt in range(1, _PORT_ATTEMPTS + 1):
                self._nodes = self._make_nodes()
                try:
                    self._launch(timeout_s)
                except PortTaken:
                    self._end_all()
                    if all(self._ports) or attempt == _PORT_ATTEMPTS:
                        raise
                else:
                    return
        except BaseException as error:
            self._end_all()
            self._folder.close(keep=isinstance(error, StartFailed))  # its message names a log in there
            raise

    def stop(self, timeout_s: float = 15.0) -> None:
        """Stop all brokers, and throw a temporary folder away.

        Args:
            timeout_s: Seconds that each gets to end in order. The last ones of a cluster have no controller to say
                goodbye to, and are killed then; Kafka recovers from that at the next start.
        """
        if self._is_temporary:
            self._end_all()  # nothing to save
        elif self._nodes:
            with ThreadPoolExecutor(len(self._nodes)) as pool:
                list(pool.map(lambda node: node.stop(timeout_s), self._nodes.values()))
        self._folder.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _make_nodes(self) -> dict[int, BrokerNode]:
        """Lay out the nodes: kept folders have a cluster id already, the rest is new."""
        image = prepare_image(self._cache_dir)
        folders = {node_id: self._folder.path / f"broker-{node_id}" for node_id in range(1, len(self._ports) + 1)}
        known = (read_cluster_id(folder / "kafka") for folder in folders.values())
        cluster_id = next(filter(None, known), None) or new_cluster_id()
        chosen = free_ports(2 * len(folders))
        voters = {node_id: chosen.pop() for node_id in folders}
        return {
            node_id: BrokerNode(
                NodeConfig(
                    node_id=node_id,
                    port=self._ports[node_id - 1] or chosen.pop(),
                    voters=voters,
                    data_dir=folder / "kafka",
                    properties=self._properties,
                ),
                NodePlace(
                    folder=folder,
                    log_file=self._log_files.get(node_id, folder / "broker.log"),
                    heap_mb=self._heap_mb,
                    lock_fd=self._folder.lock_fd,
                ),
                image,
                cluster_id=cluster_id,
            )
            for node_id, folder in folders.items()
        }

    def _launch(self, timeout_s: float) -> None:
        nodes = self._nodes.values()
        try:
            for node in nodes:
                node.launch()
            for node in nodes:
                node.wait_until(BrokerProbe(node.port, expected=len(nodes)), timeout_s=timeout_s)
        except StartFailed as failure:
            if any(node.has_lost_port for node in nodes):
                raise PortTaken("broker: another process took its port while it started: start it again") from failure
            if any(node.has_newer_data for node in nodes):
                raise StartFailed(
                    f"broker: a newer Kafka wrote the data in {self._folder.path}: move them away, or have MABOS_HOME "
                    f"name another folder (log: {failure.log_file})",
                    failure.log_file,
                ) from failure
            raise

    def _end_all(self) -> None:
        for node in self._nodes.values():
            node.kill()


class LocalBroker:
    """One broker on the loopback address; it dies with this process.

    Args:
        port: Where clients connect; 0 for any free port.
        data_dir: Kept, and used again at the next start, be it at another port; ``None`` for a temporary folder, thrown
            away at ``stop``.
        log_file: What Kafka logs; ``None`` for one in the folder.
        heap_mb: Upper bound of the heap, in MiB.
        properties: Kafka's own broker properties; they win over ours.
        cache_dir: Where the Java parts are kept; ``None`` for the cache that all checkouts share.
        free: Tells the free bytes of a folder's disk.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        data_dir: Path | None = None,
        log_file: Path | None = None,
        heap_mb: int = 512,
        properties: Mapping[str, str] | None = None,
        cache_dir: Path | None = None,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._cluster = LocalCluster(
            1,
            ports=[port],
            data_dir=data_dir,
            log_files={1: log_file} if log_file else None,
            heap_mb=heap_mb,
            properties=properties,
            cache_dir=cache_dir,
            free=free,
        )

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect; empty before the first start."""
        return self._cluster.bootstrap_servers

    @property
    def port(self) -> int:
        """The port clients connect to."""
        return self._node.port

    @property
    def pid(self) -> int:
        """Process id of the JVM."""
        return self._node.pid

    @property
    def is_alive(self) -> bool:
        """Whether the JVM runs, frozen or not."""
        return any(node.is_alive for node in self._cluster.nodes.values())

    @property
    def data_dir(self) -> Path:
        """The folder in use."""
        return self._cluster.data_dir

    @property
    def log_file(self) -> Path:
        """What Kafka logs and the JVM prints."""
        return self._node.log_file

    def start(self, timeout_s: float = 60.0) -> None:
        """Start the broker and wait until it answers; after ``kill`` it comes back with its port and data.

        Args:
            timeout_s: Seconds to get ready; a first download is not counted.

        Raises:
            PortTaken: The given port is taken.
            DiskProblem: The folder cannot be written, is in use, or its disk is too full.
            DownloadFailed: A Java part cannot be had.
            StartFailed: It ended, or did not answer in time.
        """
        self._cluster.start(timeout_s)

    def stop(self, timeout_s: float = 30.0) -> None:
        """Stop the broker in order, killing it after ``timeout_s`` seconds; throw a temporary folder away."""
        self._cluster.stop(timeout_s)

    def kill(self) -> None:
        """Kill the broker as a crash would (SIGKILL); its data stay, also those in a temporary folder."""
        self._node.kill()

    def pause(self) -> None:
        """Freeze the broker (SIGSTOP)."""
        self._node.pause()

    def resume(self) -> None:
        """Let a frozen broker go on (SIGCONT)."""
        self._node.resume()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _node(self) -> BrokerNode:
        return self._cluster.nodes[1]

"""One broker of a local cluster: a folder, two ports, and one JVM at a time."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from mabos.kafka.aot import notes_flags
from mabos.kafka.artifacts import find_java
from mabos.kafka.jvm import JvmCommand
from mabos.kafka.kraft import (
    NodeConfig,
    broker_properties,
    format_storage,
    read_cluster_id,
    write_log_config,
    write_properties,
)
from mabos.kafka.ports import LOOPBACK, is_listening
from mabos.kafka.process import Process
from mabos.kafka.retired import retire_after

_PROBE_TIMEOUT_S = 2.0
_PROBE_GROUP = "mabos-readiness"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerImage:
    """What all local brokers are started from."""

    jars: tuple[Path, ...]
    """The class path."""
    checkpoint: bytes
    """The first metadata of a new cluster."""
    notes: Path | None = None
    """The JVM's notes, which halve the start; ``None`` to do without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlace:
    """Where a node keeps its files, and how large it may grow."""

    folder: Path
    """Its own folder inside the cluster's."""
    log_file: Path
    """What Kafka logs and the JVM prints; rotated at 5 MiB."""
    heap_mb: int
    """Upper bound of the heap, in MiB."""
    lock_fd: int | None = None
    """Holds the lock on the cluster's folder, and shall be open for as long as the JVM lives."""


class BrokerProbe:
    """Asks brokers whether they really answer: metadata of the whole cluster, then the group coordinator.

    Args:
        port: Where one of them listens.
        expected: How many must be in the metadata.
    """

    def __init__(self, port: int, *, expected: int) -> None:
        self._port = port
        self._expected = expected
        self._admin: AdminClient | None = None
        self._has_metadata = False

    def __call__(self) -> bool:
        """Whether all of it is ready; returns within about 2 s."""
        if self._admin is None:
            if not is_listening(self._port):
                return False
            # librdkafka would tell the terminal about each connection that a starting broker refuses.
            self._admin = AdminClient(
                {"bootstrap.servers": f"{LOOPBACK}:{self._port}", "log_level": 0, "reconnect.backoff.max.ms": 200}
            )
            retire_after(self, self._admin)
        try:
            if not self._has_metadata:
                found = self._admin.list_topics(timeout=_PROBE_TIMEOUT_S).brokers
                self._has_metadata = len(found) >= self._expected
            return self._has_metadata and self._has_coordinator(self._admin)
        except KafkaException:
            return False

    @staticmethod
    def _has_coordinator(admin: AdminClient) -> bool:
        """Ask for a group that does not exist: the first such question makes the offsets topic, so wait for it here."""
        future = admin.describe_consumer_groups([_PROBE_GROUP], request_timeout=_PROBE_TIMEOUT_S)[_PROBE_GROUP]
        try:
            future.result()
        except KafkaException as error:
            return bool(error.args[0].name() == "GROUP_ID_NOT_FOUND")
        return True


class BrokerNode:
    """A broker that can be started, stopped, killed and frozen again and again, with the same ports and data."""

    def __init__(
        self, config: NodeConfig, place: NodePlace, image: BrokerImage, *, cluster_id: str, flags: tuple[str, ...] = ()
    ) -> None:
        self._config = config
        self._place = place
        self._image = image
        self._cluster_id = cluster_id
        self._flags = flags
        self._jvm: Process | None = None

    @property
    def node_id(self) -> int:
        """Its id in the cluster."""
        return self._config.node_id

    @property
    def port(self) -> int:
        """Where clients connect."""
        return self._config.port

    @property
    def pid(self) -> int:
        """Process id of the JVM; 0 before the first start."""
        return self._jvm.pid if self._jvm else 0

    @property
    def is_alive(self) -> bool:
        """Whether its JVM runs, frozen or not."""
        return self._jvm is not None and self._jvm.is_alive

    @property
    def log_file(self) -> Path:
        """What Kafka logs and the JVM prints."""
        return self._place.log_file

    @property
    def has_lost_port(self) -> bool:
        """Whether the last run failed because someone else took a port."""
        return self._jvm is not None and any("Address already in use" in line for line in self._jvm.log_tail())

    @property
    def has_newer_data(self) -> bool:
        """Whether the last run failed because a newer Kafka wrote what is in its folder."""
        return self._jvm is not None and tells_of_newer_kafka(self._jvm.log_tail())

    def start(self, timeout_s: float = 60.0) -> None:
        """Start the broker, if it does not run, and wait until it answers.

        Raises:
            StartFailed: It ended, or did not answer in time.
        """
        self.launch()
        self.wait_until(BrokerProbe(self.port, expected=1), timeout_s=timeout_s)

    def launch(self) -> None:
        """Start the broker, if it does not run, and return at once.

        Raises:
            StartFailed: Its JVM cannot be started.
        """
        if self.is_alive:
            return
        folder = self._place.folder
        shutil.rmtree(folder / "tmp", ignore_errors=True)  # native libraries of a JVM that was killed
        (folder / "tmp").mkdir(parents=True)
        if read_cluster_id(self._config.data_dir) is None:
            format_storage(
                self._config.data_dir,
                node_id=self.node_id,
                cluster_id=self._cluster_id,
                checkpoint=self._image.checkpoint,
            )
        write_properties(folder / "server.properties", broker_properties(self._config))
        write_log_config(folder / "log4j2.yaml", self.log_file)
        self._jvm = Process(self._command())
        self._jvm.start()

    def wait_until(self, probe: BrokerProbe, *, timeout_s: float) -> None:
        """Wait for a probe, watching that the JVM lives.

        Raises:
            StartFailed: It ended, or the probe was not content in time.
        """
        assert self._jvm is not None  # noqa: S101 - launch comes first
        self._jvm.wait_until(probe, timeout_s=timeout_s)

    def stop(self, timeout_s: float = 30.0) -> None:
        """Stop the broker in order, and kill it after ``timeout_s`` seconds."""
        if self._jvm:
            self._jvm.stop(timeout_s)

    def kill(self) -> None:
        """Kill the broker as a crash would."""
        if self._jvm:
            self._jvm.kill()

    def pause(self) -> None:
        """Freeze the broker."""
        if self._jvm:
            self._jvm.pause()

    def resume(self) -> None:
        """Let a frozen broker go on."""
        if self._jvm:
            self._jvm.resume()

    def _command(self) -> JvmCommand:
        folder = self._place.folder
        return JvmCommand(
            name=f"broker {self.node_id}",
            java=find_java(),
            arguments=[
                *self._flags,
                *notes_flags(self._image.notes),
                "-Xss512k",
                "--sun-misc-unsafe-memory-access=allow",
                f"-Dlog4j2.configurationFile={folder / 'log4j2.yaml'}",
                "-cp",
                ":".join(map(str, self._image.jars)),
                "kafka.Kafka",
                str(folder / "server.properties"),
            ],
            log_file=self.log_file,
            heap_mb=self._place.heap_mb,
            temporary_dir=folder / "tmp",
            kept_open=() if self._place.lock_fd is None else (self._place.lock_fd,),
        )


def tells_of_newer_kafka(log: Iterable[str]) -> bool:
    """Whether a broker ended because it cannot read the metadata in its folder."""
    return any("UnsupportedVersionException: Can't read version" in line for line in log)

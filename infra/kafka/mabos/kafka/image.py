"""What local brokers are started from, prepared once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mabos.kafka.aot import TRAINING_TIMEOUT_S, find_notes
from mabos.kafka.artifacts import default_cache_dir, fetch_broker_jars, find_java
from mabos.kafka.broker_node import BrokerImage, BrokerNode, BrokerProbe, NodePlace
from mabos.kafka.errors import DiskProblem
from mabos.kafka.kraft import NodeConfig, make_checkpoint, new_cluster_id
from mabos.kafka.ports import free_ports


def prepare_image(cache_dir: Path | None = None) -> BrokerImage:
    """Get all that a broker starts from; the first time this downloads 45 MB and takes some 25 s.

    Args:
        cache_dir: The shared cache; ``None`` for the default one.

    Raises:
        LocalPlatformError: The extra ``local`` is not installed.
        DownloadFailed: A jar cannot be had.
        DiskProblem: The cache cannot be written.
        StartFailed: Kafka's own tool cannot format a folder.
    """
    find_java()  # before a download that would be of no use without it
    cache_dir = cache_dir or default_cache_dir()
    jars = fetch_broker_jars(cache_dir)
    bare = BrokerImage(jars=tuple(jars), checkpoint=_find_checkpoint(cache_dir, jars))
    notes = find_notes(cache_dir, "broker", jars, _Training(image=bare))
    return BrokerImage(jars=bare.jars, checkpoint=bare.checkpoint, notes=notes)


def _find_checkpoint(cache_dir: Path, jars: Sequence[Path]) -> bytes:
    path = cache_dir / f"{next(jar.stem for jar in jars if jar.stem.startswith('kafka_'))}.checkpoint"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    checkpoint = make_checkpoint(jars)
    try:
        draft = path.with_name(f"{path.name}.{new_cluster_id()}")  # two processes may be here, each with its own
        draft.write_bytes(checkpoint)
        draft.replace(path)
    except OSError as error:
        raise DiskProblem(f"{cache_dir}: {error.strerror}: set MABOS_CACHE_DIR to a folder you can write") from error
    return checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class _Training:
    """Starts and stops one broker for the JVM's notes."""

    image: BrokerImage
    """What to start it from."""

    def __call__(self, folder: Path, flags: Sequence[str]) -> None:
        port, controller_port = free_ports(2)
        node = BrokerNode(
            NodeConfig(node_id=1, port=port, voters={1: controller_port}, data_dir=folder / "kafka"),
            NodePlace(folder=folder, log_file=folder / "broker.log", heap_mb=512),
            self.image,
            cluster_id=new_cluster_id(),
            flags=tuple(flags),
        )
        try:
            node.launch()
            node.wait_until(BrokerProbe(port, expected=1), timeout_s=TRAINING_TIMEOUT_S)
        finally:
            node.stop(TRAINING_TIMEOUT_S)

"""Preparing a broker once, so that each later start is short."""

from __future__ import annotations

import fcntl
import hashlib
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from mabos.kafka.artifacts import default_cache_dir, fetch_broker_jars, find_java
from mabos.kafka.broker_node import BrokerImage, BrokerNode, BrokerProbe, NodePlace
from mabos.kafka.errors import DiskProblem, LocalPlatformError
from mabos.kafka.kraft import NodeConfig, make_checkpoint, new_cluster_id
from mabos.kafka.ports import free_ports

_TRAINING_TIMEOUT_S = 60.0
_KEPT_IMAGES = 3


def prepare_image(cache_dir: Path | None = None) -> BrokerImage:
    """Get all that a broker starts from; the first time this downloads 45 MB and trains for some 15 s.

    The training is one start and stop of a broker, from which the JVM writes down what it loaded (JEP 483, 514, 515). Later
    starts take 2 s instead of 5. Where it fails, brokers simply start without.

    Args:
        cache_dir: The shared cache; ``None`` for the default one.

    Raises:
        DownloadFailed: A jar cannot be had.
        DiskProblem: The cache cannot be written.
        StartFailed: Kafka's own tool cannot format a folder.
    """
    cache_dir = cache_dir or default_cache_dir()
    jars = fetch_broker_jars(cache_dir)
    name = f"broker-{_fingerprint(jars)}"
    checkpoint, aot_cache = cache_dir / f"{name}.checkpoint", cache_dir / f"{name}.aot"
    if not (checkpoint.exists() and aot_cache.exists()):
        try:
            with (cache_dir / f"{name}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                _prepare(jars, checkpoint, aot_cache)
        except OSError as error:
            raise DiskProblem(
                f"{cache_dir}: {error.strerror}: set MABOS_CACHE_DIR to a folder you can write"
            ) from error
    trained = aot_cache if aot_cache.stat().st_size else None  # empty: the training failed, and is not tried again
    return BrokerImage(jars=tuple(jars), checkpoint=checkpoint.read_bytes(), aot_cache=trained)


def _prepare(jars: list[Path], checkpoint: Path, aot_cache: Path) -> None:
    if not checkpoint.exists():
        draft = checkpoint.with_suffix(".draft")
        draft.write_bytes(make_checkpoint(jars))
        draft.replace(checkpoint)
    if aot_cache.exists():
        return
    sys.stderr.write("preparing the broker for quick starts (once)\n")
    draft = aot_cache.with_suffix(".draft")
    draft.write_bytes(b"")
    with suppress(LocalPlatformError):
        _train(BrokerImage(jars=tuple(jars), checkpoint=checkpoint.read_bytes()), draft)
    draft.replace(aot_cache)
    images = sorted(aot_cache.parent.glob("broker-*.aot"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in images[_KEPT_IMAGES:]:
        old.unlink(missing_ok=True)


def _train(image: BrokerImage, output: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="mabos-training-") as scratch, (Path(scratch) / "lock").open("w") as lock:
        port, controller_port = free_ports(2)
        folder = Path(scratch)
        node = BrokerNode(
            NodeConfig(node_id=1, port=port, voters={1: controller_port}, data_dir=folder / "kafka"),
            NodePlace(folder=folder, log_file=folder / "broker.log", heap_mb=512, lock_fd=lock.fileno()),
            image,
            cluster_id=new_cluster_id(),
            flags=(f"-XX:AOTCacheOutput={output}", "-Xlog:aot*=error:stderr"),
        )
        try:
            node.launch()
            node.wait_until(BrokerProbe([port], expected=1), timeout_s=_TRAINING_TIMEOUT_S)
        finally:
            node.stop(_TRAINING_TIMEOUT_S)


def _fingerprint(jars: list[Path]) -> str:
    """Name what the JVM compares before it believes its notes: its own modules and the jars, by path, size and time."""
    modules = find_java().parents[1] / "lib" / "modules"
    facts = [f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in [modules, *jars] if path.exists()]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]

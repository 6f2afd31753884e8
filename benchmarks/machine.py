"""What it was measured on: the machine, and the versions of everything that took part."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from pathlib import Path

import confluent_kafka
import psutil

from benchmarks.jvm import JARS
from benchmarks.venvs import FASTSTREAM, QUIXSTREAMS
from mabos.kafka.artifacts import locked_artifacts

_GIB = 1 << 30


def describe_machine() -> str:
    """One line about the machine."""
    memory_gib = psutil.virtual_memory().total / _GIB
    return f"{_processor()}, {os.cpu_count()} cores, {memory_gib:.0f} GiB, {platform.system()} {platform.release()}"


def describe_versions() -> str:
    """One line about the programs."""
    broker = next(part for part in locked_artifacts("broker") if ":kafka_" in part.coordinates)
    ours = [f"{name} {importlib.metadata.version(name)}" for name in ("confluent-kafka", "fastavro", "orjson")]
    theirs = [venv.requirements[0].replace("==", " ") for venv in (FASTSTREAM, QUIXSTREAMS)]
    java = JARS[0].split(":")
    return ", ".join(
        [
            f"Apache Kafka {broker.coordinates.split(':')[-1]}",
            f"Python {sys.version.split()[0]}",
            f"librdkafka {confluent_kafka.libversion()[0]}",
            *ours,
            *theirs,
            f"{java[1]} {java[2]}",
        ]
    )


def _processor() -> str:
    """The processor's name, where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

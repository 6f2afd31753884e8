"""Contenders in Java: jars from Maven, compiled once, run on the Java that the local broker runs on.

That Java has no compiler, so Eclipse's comes from Maven too.
"""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import zlib
from collections.abc import Sequence
from pathlib import Path

from mabos.kafka.artifacts import default_cache_dir, find_java

_SOURCES = Path(__file__).with_name("java")
JARS = (
    "io.confluent.parallelconsumer:parallel-consumer-core:0.5.3.3",
    "org.apache.avro:avro:1.12.0",
    "org.slf4j:slf4j-nop:2.0.17",
)
_COMPILER = ("org.eclipse.jdt:ecj:3.43.0",)
_FLAGS = ("-XX:-UsePerfData", "--enable-native-access=ALL-UNNAMED")  # else as Java comes: its collector, its heap


def java_command(main_class: str) -> Sequence[str]:
    """The command line of a program in ``benchmarks/java``; fetches and compiles what is missing.

    Raises:
        CalledProcessError: It does not compile; the compiler has said why.
    """
    java, source = str(find_java()), _SOURCES / f"{main_class}.java"
    cache = default_cache_dir() / "bench"
    folder = cache / f"java-{zlib.crc32(source.read_bytes() + repr((JARS, _COMPILER)).encode()):08x}"
    jars = folder / "class-path"
    if not jars.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        compiler, class_path = _resolve(_COMPILER, cache / "maven"), _resolve(JARS, cache / "maven")
        options = ["-jar", compiler, "-21", "-proc:none", "-nowarn", "-cp", class_path, "-d", str(folder), str(source)]
        subprocess.run([java, *options], check=True)
        jars.write_text(class_path, encoding="utf-8")
    return [java, *_FLAGS, "-cp", f"{folder}{os.pathsep}{jars.read_text(encoding='utf-8')}", main_class]


def _resolve(coordinates: Sequence[str], repository: Path) -> str:
    """Artifacts and all that they depend on, as a class path."""
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415 - slow, and only needed the first time

    if certificates := ssl.get_default_verify_paths().cafile:
        os.environ.setdefault("REQUESTS_CA_BUNDLE", certificates)  # the only way into jgo's own sessions
    context = MavenContext(resolver=PythonResolver(), repo_cache=repository, timeout=30)
    wanted, needed = context.resolver.resolve([context.create_dependency(text) for text in coordinates])
    return os.pathsep.join(str(dependency.artifact.resolve()) for dependency in [*wanted, *needed])

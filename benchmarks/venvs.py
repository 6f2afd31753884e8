"""Virtual environments of contenders that cannot share ours, made once in the cache folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

from mabos.kafka.artifacts import default_cache_dir


@dataclass(frozen=True, slots=True, kw_only=True)
class Venv:
    """What one holds."""

    name: str
    requirements: tuple[str, ...]
    """Pinned; changing one makes a new environment."""


FASTSTREAM = Venv(
    name="faststream",
    requirements=("faststream[confluent]==0.7.8", "confluent-kafka==2.16.1", "fastavro==1.13.1", "orjson==3.13.0"),
)
QUIXSTREAMS = Venv(
    name="quixstreams",
    requirements=("quixstreams==3.28.1", "confluent-kafka==2.12.2", "fastavro==1.13.1", "orjson==3.13.0"),
)
PY_SPY = Venv(name="py-spy", requirements=("py-spy==0.4.3",))


def prepare_venv(venv: Venv) -> Path:
    """The environment's Python; makes the environment when it is missing.

    Raises:
        CalledProcessError: It cannot be made; uv has said why.
    """
    wanted = f"{sys.version_info[:2]} {venv.requirements}".encode()
    folder = default_cache_dir() / "bench" / f"{venv.name}-{zlib.crc32(wanted):08x}"
    python, mark = folder / "bin" / "python", folder / "complete"
    if not mark.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        uv = str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "--quiet", "venv", "--python", sys.executable, str(folder)], check=True)
        subprocess.run([uv, "--quiet", "pip", "install", "--python", str(python), *venv.requirements], check=True)
        mark.touch()
    return python

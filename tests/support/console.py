"""The console: built when its sources changed, and its API types as the gateway describes itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from mabos.gateway import create_app
from mabos.kafka.settings import Settings

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
TYPES_FILE = WEB / "api" / "schema.ts"
BUILT = WEB / "dist"


def build_console() -> Path:
    """The folder of the built console; quick unless its sources changed."""
    make("web")
    return BUILT


def make(verb: str) -> None:
    """Run a verb of the Makefile."""
    command = ["/usr/bin/env", "make", "-s", verb]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def npx(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a tool of the console, from ``web/``."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [WEB / "node_modules" / ".bin" / command[0], *command[1:]],
        cwd=WEB,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


def write_types(target: Path) -> None:
    """Write the types of the gateway's API, as it describes itself, into a file."""
    make("web/node_modules/.tools")
    document = create_app(Settings()).openapi()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "openapi.json"
        source.write_text(json.dumps(document), encoding="utf-8")
        done = npx("openapi-typescript", str(source), "--output", str(target), "--root-types=false")
    assert done.returncode == 0, done.stdout + done.stderr


if __name__ == "__main__":
    write_types(TYPES_FILE)

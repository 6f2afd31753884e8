"""The build context of the broker's container image: all that ``infra/kafka/Dockerfile`` copies, verified beforehand.

``python -m mabos.kafka.container_context FOLDER`` fills an empty folder, which ``docker build FOLDER`` then needs no
network for. The image has the jars, the Java and the broker properties of the local broker.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from mabos.kafka.artifacts import fetch_broker_jars, find_java
from mabos.kafka.errors import DiskProblem, LocalPlatformError
from mabos.kafka.jvm import JvmCommand
from mabos.kafka.kraft import NodeConfig, broker_properties, write_properties
from mabos.schemas.errors import MabosError

_SOURCES = Path(__file__).parents[2]
_HOME = Path("/opt/kafka")  # these four are the Dockerfile's, too
_DATA = Path("/var/lib/kafka/data")
_CLIENT_PORT = 9092
_CONTROLLER_PORT = 9093
_INTERNAL_PORT = 9094
_HEAP_MB = 512


def prepare_context(folder: Path, *, cache_dir: Path | None = None) -> None:
    """Fill a folder with the build context, 150 MB; the first time this downloads the jars.

    Args:
        folder: Empty, or not there yet.
        cache_dir: The shared cache; ``None`` for the default one.

    Raises:
        LocalPlatformError: This is no checkout or no Linux, or there is no Java runtime to copy.
        DownloadFailed: A jar cannot be had.
        DiskProblem: The folder cannot be written, or has something in it.
    """
    if sys.platform != "linux":
        raise LocalPlatformError("the image gets this machine's Java, which must be one for Linux: build it there")
    if not (_SOURCES / "Dockerfile").is_file():
        raise LocalPlatformError("the Dockerfile is not installed with mabos: build the image in a checkout")
    jars = fetch_broker_jars(cache_dir)
    java_home = find_java().parents[1]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise DiskProblem(f"{folder} has something in it: give an empty folder")
        shutil.copytree(java_home, folder / "java", symlinks=True, ignore=shutil.ignore_patterns("include"))
        (folder / "jars").mkdir()
        for jar in jars:
            shutil.copy(jar, folder / "jars")
        for source in [_SOURCES / "Dockerfile", *sorted((_SOURCES / "container").iterdir())]:
            shutil.copy(source, folder)
        (folder / "jvm.options").write_text(_render_options([jar.name for jar in jars]), "utf-8")
        write_properties(folder / "server.properties", container_properties())
    except OSError as error:
        raise DiskProblem(f"{folder}: {error.strerror or error}: give a folder that you can write") from error


def container_properties() -> dict[str, str]:
    """The broker properties inside the container: those of a local broker, but for where it listens.

    The port that clients are told is another machine's or mapped. Kafka's connections to itself (the markers that end
    a transaction, for one) would not find it, hence a listener of their own.
    """
    listeners = {
        "PLAINTEXT": f"0.0.0.0:{_CLIENT_PORT}",
        "INTERNAL": f"127.0.0.1:{_INTERNAL_PORT}",
        "CONTROLLER": f"127.0.0.1:{_CONTROLLER_PORT}",
    }
    advertised = {"PLAINTEXT": f"127.0.0.1:{_CLIENT_PORT}", "INTERNAL": listeners["INTERNAL"]}
    config = NodeConfig(
        node_id=1,
        port=_CLIENT_PORT,
        voters={1: _CONTROLLER_PORT},
        data_dir=_DATA,
        properties={
            "listeners": ",".join(f"{name}://{address}" for name, address in listeners.items()),
            "advertised.listeners": ",".join(f"{name}://{address}" for name, address in advertised.items()),
            "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in listeners),
            "inter.broker.listener.name": "INTERNAL",
        },
    )
    return broker_properties(config)


def _render_options(jar_names: list[str]) -> str:
    """The flags of all local JVMs and the class path, as a file for ``java @file``."""
    command = JvmCommand(
        name="broker",
        java=Path("java"),
        arguments=[
            "-Xss512k",
            "--sun-misc-unsafe-memory-access=allow",
            f"-Dlog4j2.configurationFile={_HOME / 'log4j2.yaml'}",
            "-cp",
            ":".join(str(_HOME / "jars" / name) for name in jar_names),
        ],
        log_file=Path("stdout"),
        heap_mb=_HEAP_MB,
        temporary_dir=Path("/tmp"),  # noqa: S108 - the container's own
    )
    return "".join(f"{argument}\n" for argument in command.argv()[1:])


def main(arguments: list[str]) -> int:
    """Prepare the folder named; returns the exit code."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m mabos.kafka.container_context FOLDER\n")
        return 2
    try:
        prepare_context(Path(arguments[0]))
    except MabosError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A real schema registry on this machine: Apicurio, which speaks the Confluent protocol, for development and tests.

::

    with LocalRegistry() as registry:
        client = SchemaRegistryClient({"url": registry.url})
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Self

from mabos.kafka.aot import TRAINING_TIMEOUT_S, find_notes, notes_flags
from mabos.kafka.artifacts import default_cache_dir, fetch_registry, find_java
from mabos.kafka.errors import PortTaken, StartFailed
from mabos.kafka.folder import DataFolder, free_bytes
from mabos.kafka.jvm import JvmCommand
from mabos.kafka.ports import LOOPBACK, free_ports, require_free
from mabos.kafka.probe import http_status
from mabos.kafka.process import Process

_ROUTE = "/apis/ccompat/v7"
_PORT_ATTEMPTS = 3


class LocalRegistry:
    """One registry on the loopback address, its schemas in a file; it dies with this process.

    Args:
        port: Where clients connect; 0 for any free port.
        data_dir: Kept, and used again at the next start, be it at another port; ``None`` for a temporary folder, thrown
            away at ``stop``.
        log_file: What the registry logs; ``None`` for one in the folder.
        heap_mb: Upper bound of the heap, in MiB.
        cache_dir: Where the Java parts are kept; ``None`` for the cache that all checkouts share.
        free: Tells the free bytes of a folder's disk.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        data_dir: Path | None = None,
        log_file: Path | None = None,
        heap_mb: int = 160,
        cache_dir: Path | None = None,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._given_port = port
        self._port = port
        self._folder = DataFolder(data_dir, free=free)
        self._is_temporary = data_dir is None
        self._log_file = log_file
        self._heap_mb = heap_mb
        self._cache_dir = cache_dir
        self._jvm: Process | None = None

    @property
    def url(self) -> str:
        """Where a Confluent client connects."""
        return f"http://{LOOPBACK}:{self._port}{_ROUTE}"

    @property
    def port(self) -> int:
        """The port clients connect to; 0 before the first start, unless one was given."""
        return self._port

    @property
    def pid(self) -> int:
        """Process id of the JVM; 0 before the first start."""
        return self._jvm.pid if self._jvm else 0

    @property
    def is_alive(self) -> bool:
        """Whether the JVM runs, frozen or not."""
        return self._jvm is not None and self._jvm.is_alive

    @property
    def data_dir(self) -> Path:
        """The folder in use."""
        return self._folder.path

    @property
    def log_file(self) -> Path:
        """What the registry logs and the JVM prints; rotated at 5 MiB."""
        return self._log_file or self._folder.path / "registry.log"

    def start(self, timeout_s: float = 60.0) -> None:
        """Start the registry, if it does not run, and wait until it answers; after ``kill`` it keeps port and data.

        Args:
            timeout_s: Seconds to get ready; a first download is not counted.

        Raises:
            PortTaken: The given port is taken.
            DiskProblem: The folder cannot be written, is in use, or its disk is too full.
            DownloadFailed: A Java part cannot be had.
            StartFailed: It ended, or did not answer in time.
        """
        if self._folder.is_open:  # after a kill: the port and data stay
            if not self.is_alive:
                self._run(find_registry(self._cache_dir), timeout_s)
            return
        self._folder.open()  # first: it waits for the JVM of a killed owner, which has the port too
        try:
            if self._given_port:
                require_free(self._given_port, name="registry", setting="--registry-port or MABOS_SCHEMA_REGISTRY_URL")
            program = find_registry(self._cache_dir)
            for attempt in range(1, _PORT_ATTEMPTS + 1):
                self._port = self._given_port or free_ports(1)[0]
                try:
                    self._run(program, timeout_s)
                except PortTaken:
                    if self._given_port or attempt == _PORT_ATTEMPTS:
                        raise
                else:
                    return
        except BaseException as error:
            self.kill()
            self._folder.close(keep=isinstance(error, StartFailed))  # its message names a log in there
            raise

    def stop(self, timeout_s: float = 15.0) -> None:
        """Stop the registry in order, killing it after ``timeout_s`` seconds; throw a temporary folder away."""
        if self._jvm is not None:
            if self._is_temporary:
                self._jvm.kill()  # nothing to save
            else:
                self._jvm.stop(timeout_s)
        self._folder.close()

    def kill(self) -> None:
        """Kill the registry as a crash would (SIGKILL); its data stay, also those in a temporary folder."""
        if self._jvm is not None:
            self._jvm.kill()

    def pause(self) -> None:
        """Freeze the registry (SIGSTOP): connections hang."""
        if self._jvm is not None:
            self._jvm.pause()

    def resume(self) -> None:
        """Let a frozen registry go on (SIGCONT)."""
        if self._jvm is not None:
            self._jvm.resume()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self, program: RegistryProgram, timeout_s: float) -> None:
        folder = self._folder.path
        command = program.command(
            port=self._port, folder=folder, log_file=self.log_file, heap_mb=self._heap_mb, lock_fd=self._folder.lock_fd
        )
        self._jvm = jvm = Process(command)
        try:
            jvm.start()
            jvm.wait_until(lambda: answers(self._port), timeout_s=timeout_s)
        except StartFailed as failure:
            if any("already bound" in line or "Address already in use" in line for line in jvm.log_tail()):
                raise PortTaken(
                    f"registry: another process took port {self._port} while it started: start it again"
                ) from failure
            raise


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryProgram:
    """An unpacked registry, and how to run it."""

    jars: tuple[Path, ...]
    """Its class path, in order: classes that its build rewrote come before the originals."""
    notes: Path | None = None
    """The JVM's notes, which cut the start to a third; ``None`` to do without."""

    def command(
        self,
        *,
        port: int,
        folder: Path,
        log_file: Path,
        heap_mb: int,
        lock_fd: int | None = None,
        flags: Sequence[str] = (),
    ) -> JvmCommand:
        """Lay out one run.

        Args:
            port: Where it listens on the loopback address.
            folder: Gets the database, and a folder for native libraries.
            log_file: What it logs and prints.
            heap_mb: Upper bound of the heap, in MiB.
            lock_fd: Held open by the JVM.
            flags: Further JVM flags.
        """
        shutil.rmtree(folder / "tmp", ignore_errors=True)  # of a JVM that was killed
        (folder / "tmp").mkdir(parents=True)
        return JvmCommand(
            name="registry",
            java=find_java(),
            arguments=[
                *flags,
                *notes_flags(self.notes),
                "-XX:TieredStopAtLevel=1",  # half the CPU of a start, and its throughput does not matter here
                "-Xss512k",
                "--add-opens",
                "java.base/java.lang=ALL-UNNAMED",
                "-cp",
                ":".join(map(str, self.jars)),
                "io.quarkus.runner.GeneratedMain",
            ],
            log_file=log_file,
            heap_mb=heap_mb,
            temporary_dir=folder / "tmp",
            environment=registry_environment(port=port, database=folder / "registry", log_file=log_file),
            kept_open=() if lock_fd is None else (lock_fd,),
        )


def find_registry(cache_dir: Path | None = None) -> RegistryProgram:
    """Get the registry; the first time this downloads 160 MB and takes some 30 s.

    Its launcher loads classes in a way the JVM cannot take notes about, so its main class is run on a plain class path.

    Raises:
        DownloadFailed: It cannot be had.
        DiskProblem: The cache cannot be written.
    """
    cache_dir = cache_dir or default_cache_dir()
    root = fetch_registry(cache_dir)
    first = [root / "quarkus" / "transformed-bytecode.jar", root / "quarkus" / "generated-bytecode.jar"]
    jars = [*first, *(jar for name in ("app", "lib/boot", "lib/main") for jar in sorted((root / name).glob("*.jar")))]
    bare = RegistryProgram(jars=tuple(jars))

    def train(folder: Path, flags: Sequence[str]) -> None:
        (port,) = free_ports(1)
        jvm = Process(
            bare.command(port=port, folder=folder, log_file=folder / "registry.log", heap_mb=256, flags=flags)
        )
        try:
            jvm.start()
            jvm.wait_until(lambda: answers(port), timeout_s=TRAINING_TIMEOUT_S)
        finally:
            jvm.stop(TRAINING_TIMEOUT_S)

    return RegistryProgram(jars=bare.jars, notes=find_notes(cache_dir, "registry", jars, train))


def registry_environment(*, port: int, database: Path, log_file: Path) -> dict[str, str]:
    """The registry's settings: H2 in a file, loopback only, small pools, nothing sent anywhere."""
    return {
        "APICURIO_STORAGE_KIND": "sql",
        "APICURIO_STORAGE_SQL_KIND": "h2",
        # H2 keeps a commit in memory for half a second, and a killed registry would forget ids that clients use.
        "APICURIO_DATASOURCE_URL": f"jdbc:h2:file:{database};WRITE_DELAY=0",
        "APICURIO_DATASOURCE_JDBC_INITIAL_SIZE": "1",
        "APICURIO_DATASOURCE_JDBC_MIN_SIZE": "1",
        "APICURIO_DATASOURCE_JDBC_MAX_SIZE": "8",
        "QUARKUS_HTTP_HOST": LOOPBACK,
        "QUARKUS_HTTP_PORT": str(port),
        "QUARKUS_HTTP_IO_THREADS": "2",
        "QUARKUS_HTTP_ACCESS_LOG_ENABLED": "false",
        "QUARKUS_MANAGEMENT_HOST": LOOPBACK,  # else health and metrics are served on all interfaces, at port 9000
        "QUARKUS_MANAGEMENT_PORT": "0",
        "QUARKUS_OTEL_SDK_DISABLED": "true",
        "QUARKUS_BANNER_ENABLED": "false",
        "QUARKUS_LOG_CONSOLE_ENABLED": "false",
        "QUARKUS_LOG_FILE_ENABLED": "true",
        "QUARKUS_LOG_FILE_JSON_ENABLED": "false",
        "QUARKUS_LOG_FILE_FORMAT": "%d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %s%e (%c)%n",
        "QUARKUS_LOG_FILE_PATH": str(log_file),
        "QUARKUS_LOG_FILE_ROTATION_MAX_FILE_SIZE": "5M",
        "QUARKUS_LOG_FILE_ROTATION_MAX_BACKUP_INDEX": "1",
    }


def answers(port: int) -> bool:
    """Whether a registry really answers: it lists its subjects."""
    return http_status(f"http://{LOOPBACK}:{port}{_ROUTE}/subjects") == HTTPStatus.OK

"""The whole platform on this machine: Kafka, registry, database, view, gateway; all real, all ended by one stop."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Self
from urllib.parse import urlsplit

from mabos.cli.programs import Programs
from mabos.kafka.database_address import local_database_url
from mabos.kafka.errors import LocalPlatformError
from mabos.kafka.folder import DataFolder
from mabos.kafka.local_broker import LocalBroker
from mabos.kafka.local_registry import LocalRegistry
from mabos.kafka.ports import require_free
from mabos.kafka.probe import http_status
from mabos.kafka.queues import prepare_queue
from mabos.kafka.settings import Settings

_LOOPBACK_HOSTS = ("127.0.0.1", "localhost")


class StartCancelled(LocalPlatformError):
    """Somebody wants the platform to stop before it was up."""


class LocalPlatform:
    """Runs the platform where the settings say that it is: the ports of their URLs, the data in their ``home``.

    Args:
        settings: Every URL must be on this machine.
        on_step: Told what is being done, for people who wait.
        on_end: Told in one line when view or gateway ended by itself and will be started again, from another thread.
        is_cancelled: Asked before each step of the start.

    Raises:
        LocalPlatformError: A URL is of another machine, or two have the same port.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        on_step: Callable[[str], None] = lambda _: None,
        on_end: Callable[[str], None] = lambda _: None,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self.settings = settings
        self._on_step, self._on_end, self._is_cancelled = on_step, on_end, is_cancelled
        self._stack = ExitStack()
        self._broker_port = local_port("MABOS_BOOTSTRAP_SERVERS", f"kafka://{settings.bootstrap_servers}")
        self._registry_port = local_port("MABOS_SCHEMA_REGISTRY_URL", settings.schema_registry_url)
        self._gateway_port = local_port("MABOS_GATEWAY_URL", settings.gateway_url)
        if len({self._broker_port, self._registry_port, self._gateway_port}) < 3:
            raise LocalPlatformError("broker, registry and gateway need a port each: see MABOS_GATEWAY_URL")

    def start(self) -> None:
        """Start everything, in order, and return when it answers.

        Raises:
            LocalPlatformError: A part cannot run; what had started is stopped again.
            StartCancelled: It was cancelled on the way, and stopped again.
            MabosError: Topics or schemas are refused.
        """
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise

    def stop(self) -> None:
        """Stop everything, in reverse order."""
        self._stack.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self) -> None:
        gateway_folder = DataFolder(self.settings.home / "gateway")
        self._stack.callback(gateway_folder.close)
        gateway_folder.open()  # first: it waits for the gateway of a killed owner, which has the port too
        require_free(self._gateway_port, name="gateway", setting="MABOS_GATEWAY_URL")
        self._step("starting broker, registry and database")
        self._start_servers()
        self._step("applying topics and schemas")
        prepare_queue(self.settings)
        programs = Programs(self.settings.home / "logs", on_end=self._on_end)
        self._stop_later("gateway and view", programs.stop)
        self._step("starting view")
        self._start_view(programs)
        self._step("starting gateway")
        arguments = ["-m", "mabos.cli.main", "gateway", "run"]
        kept_open = [gateway_folder.lock_fd]
        programs.run("gateway", arguments, is_ready=self._gateway_answers, kept_open=kept_open)

    def _start_view(self, programs: Programs) -> None:
        """Make its tables first: whoever asks it finds them, be it in the first second."""
        from mabos.streams.database import ensure_view, live_schema  # noqa: PLC0415 - an extra that only some install

        ensure_view(self.settings, live_schema(self.settings.queue))
        programs.run("view", ["-m", "mabos.cli.main", "view", "run"])

    def _start_servers(self) -> None:
        """Start them at once, since each keeps one core busy for seconds."""
        home, logs, cache_dir = self.settings.home, self.settings.home / "logs", self.settings.cache_dir
        broker = LocalBroker(
            self._broker_port, data_dir=home / "broker", log_file=logs / "broker.log", cache_dir=cache_dir
        )
        registry = LocalRegistry(
            self._registry_port, data_dir=home / "registry", log_file=logs / "registry.log", cache_dir=cache_dir
        )
        parts: list[tuple[str, Callable[[], None], Callable[[], None]]] = [
            ("broker", broker.start, broker.stop),
            ("registry", registry.start, registry.stop),
        ]
        if has_local_database(self.settings):
            from mabos.streams.local_database import LocalDatabase  # noqa: PLC0415 - an extra that only some install

            database = LocalDatabase(home, log_file=logs / "database.log")
            parts.append(("database", database.start, database.stop))
        with ThreadPoolExecutor(len(parts)) as pool:
            starts = [pool.submit(start) for _, start, _ in parts]
        for (name, _, stop), started in zip(parts, starts, strict=True):
            if started.exception() is None:
                self._stop_later(name, stop)
        for started in starts:
            started.result()

    def _step(self, text: str) -> None:
        if self._is_cancelled():
            raise StartCancelled("the platform was stopped before it was up")
        self._on_step(text)

    def _stop_later(self, name: str, stop: Callable[[], None]) -> None:
        self._stack.callback(stop)
        self._stack.callback(self._on_step, f"stopping {name}")

    def _gateway_answers(self) -> bool:
        return http_status(self.settings.gateway_url + "/healthz") == 200


def has_local_database(settings: Settings) -> bool:
    """Whether the settings mean the database of this home; any other is somebody else's to start."""
    return settings.database_url.get_secret_value() == local_database_url(settings.home)


def local_port(setting: str, url: str) -> int:
    """The port of a URL of this machine.

    Raises:
        LocalPlatformError: It is of another machine, of several brokers, or has no port; names the setting.
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:  # as of several brokers, comma separated
        port = None
    if parts.hostname not in _LOOPBACK_HOSTS or port is None:
        raise LocalPlatformError(
            f"{setting} is {url.removeprefix('kafka://')}: only 127.0.0.1:PORT can be started here"
        )
    return port

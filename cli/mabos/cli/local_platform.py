"""The whole platform on this machine: broker, registry, topics, schemas, gateway; all real, all ended by one stop."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Self
from urllib.parse import urlsplit

from mabos.cli.programs import Programs
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
        is_cancelled: Asked before each step of the start.

    Raises:
        LocalPlatformError: A URL is of another machine, or two have the same port.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        on_step: Callable[[str], None] = lambda _: None,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self.settings = settings
        self._on_step, self._is_cancelled = on_step, is_cancelled
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
        self._step("starting broker and registry")
        self._start_broker_and_registry()
        self._step("applying topics and schemas")
        prepare_queue(self.settings)
        self._step("starting gateway")
        programs = Programs(self.settings.home / "logs")
        self._stop_later("gateway", programs.stop)
        arguments = ["-m", "mabos.cli.main", "gateway", "run"]
        kept_open = [gateway_folder.lock_fd]
        programs.run("gateway", arguments, is_ready=self._gateway_answers, kept_open=kept_open)

    def _start_broker_and_registry(self) -> None:
        """Start both at once, since each keeps one core busy for seconds."""
        home, logs, cache_dir = self.settings.home, self.settings.home / "logs", self.settings.cache_dir
        broker = LocalBroker(
            self._broker_port, data_dir=home / "broker", log_file=logs / "broker.log", cache_dir=cache_dir
        )
        registry = LocalRegistry(
            self._registry_port, data_dir=home / "registry", log_file=logs / "registry.log", cache_dir=cache_dir
        )
        with ThreadPoolExecutor(2) as pool:
            starts = [pool.submit(broker.start), pool.submit(registry.start)]
        for name, stop, start in zip(("broker", "registry"), (broker.stop, registry.stop), starts, strict=True):
            if start.exception() is None:
                self._stop_later(name, stop)
        for start in starts:
            start.result()

    def _step(self, text: str) -> None:
        if self._is_cancelled():
            raise StartCancelled("the platform was stopped before it was up")
        self._on_step(text)

    def _stop_later(self, name: str, stop: Callable[[], None]) -> None:
        self._stack.callback(stop)
        self._stack.callback(self._on_step, f"stopping {name}")

    def _gateway_answers(self) -> bool:
        return http_status(self.settings.gateway_url + "/healthz") == 200


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

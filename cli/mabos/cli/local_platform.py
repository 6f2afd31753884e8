"""The whole platform on this machine: broker, registry, topics, schemas, gateway; all real, all ended by one stop."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Self
from urllib.parse import urlsplit

from mabos.cli.programs import Programs
from mabos.kafka.admin import Cluster
from mabos.kafka.clients import open_registry
from mabos.kafka.errors import LocalPlatformError
from mabos.kafka.local_broker import LocalBroker
from mabos.kafka.local_registry import LocalRegistry
from mabos.kafka.ports import require_free
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue, diff_topics, read_topic_specs
from mabos.schemas.codec import REQUEST, RESPONSE

_LOOPBACK_HOSTS = ("127.0.0.1", "localhost")


class LocalPlatform:
    """Runs the platform where the settings say that it is: the ports of their URLs, the data in their ``home``.

    Args:
        settings: Every URL must be on this machine.
        on_step: Told what is being done, for people who wait.

    Raises:
        LocalPlatformError: A URL is of another machine.
    """

    def __init__(self, settings: Settings, *, on_step: Callable[[str], None] = lambda _: None) -> None:
        self.settings = settings
        self._on_step = on_step
        self._stack = ExitStack()
        self._broker_port = _local_port("MABOS_BOOTSTRAP_SERVERS", f"kafka://{settings.bootstrap_servers}")
        self._registry_port = _local_port("MABOS_SCHEMA_REGISTRY_URL", settings.schema_registry_url)
        self._gateway_port = _local_port("MABOS_GATEWAY_URL", settings.gateway_url)

    def start(self) -> None:
        """Start everything, in order, and return when it answers.

        Raises:
            LocalPlatformError: A part cannot run; what had started is stopped again.
            MabosError: Topics or schemas are refused.
        """
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise

    def stop(self) -> None:
        """Stop everything, in reverse order."""
        self._on_step("stopping")
        self._stack.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self) -> None:
        settings, logs = self.settings, self.settings.home / "logs"
        require_free(self._gateway_port, name="gateway", setting="MABOS_GATEWAY_URL")
        try:
            logs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LocalPlatformError(f"{logs} cannot be made: {error.strerror}, see MABOS_HOME") from error
        broker = LocalBroker(
            self._broker_port,
            data_dir=settings.home / "broker",
            log_file=logs / "broker.log",
            cache_dir=settings.cache_dir,
        )
        registry = LocalRegistry(
            self._registry_port,
            data_dir=settings.home / "registry",
            log_file=logs / "registry.log",
            cache_dir=settings.cache_dir,
        )
        self._on_step("starting broker and registry")
        with ThreadPoolExecutor(2) as pool:
            starts = [pool.submit(self._stack.enter_context, part) for part in (broker, registry)]
        for start in starts:
            start.result()
        self._on_step("applying topics and schemas")
        prepare_queue(settings)
        self._on_step("starting gateway")
        programs = self._stack.enter_context(Programs(logs))
        programs.run("gateway", ["-m", "mabos.cli.main", "gateway", "run"], is_ready=self._gateway_answers)

    def _gateway_answers(self) -> bool:
        return http_status(self.settings.gateway_url + "/healthz") == 200


def prepare_queue(settings: Settings) -> None:
    """Make the topics of a queue agree with ``topics.toml``, and register its schemas. Safe to repeat.

    Raises:
        BrokerUnavailable: No broker answers.
        RegistryError: The registry does not answer, or refuses.
    """
    cluster, queue = Cluster(settings), Queue(name=settings.queue)
    specs = read_topic_specs(queue, brokers=cluster.count_brokers())
    cluster.apply_changes(specs, diff_topics(specs, cluster.describe_topics([spec.name for spec in specs])))
    registry = open_registry(settings)
    registry.register(f"{queue.requests}-value", REQUEST.schema_text)
    registry.register(f"{queue.responses}-value", RESPONSE.schema_text)


def http_status(url: str, *, timeout_s: float = 2.0) -> int | None:
    """The status that a GET is answered with, or None if it is not."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _local_port(setting: str, url: str) -> int:
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

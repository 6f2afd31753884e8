"""``mabos status``: what answers, here or wherever the settings point."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import typer

from mabos.cli.options import EXIT_AWAY, OutputOption, QueueOption, find_cluster, settings_for
from mabos.cli.output import Output, print_note, print_rows
from mabos.cli.view import require_extra
from mabos.kafka.clients import open_registry
from mabos.kafka.database_address import show_database
from mabos.kafka.errors import BrokerUnavailable, TopicsDiffer
from mabos.kafka.probe import http_status
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue, diff_topics, read_topic_specs
from mabos.schemas.errors import MabosError
from mabos.streams.errors import DatabaseRefused, DatabaseUnavailable


def status(queue: QueueOption = None, output: OutputOption = Output.TABLE) -> None:
    """Say what answers, here or wherever the settings point. Exit code 3 if something does not."""
    settings = settings_for(queue)
    looks: list[Callable[[Settings], dict[str, Any]]] = [
        _look_at_broker,
        _look_at_registry,
        _look_at_view,
        _look_at_gateway,
    ]
    with ThreadPoolExecutor(len(looks)) as pool:
        rows = list(pool.map(lambda look: look(settings), looks))
    print_rows(rows, ("part", "state", "address", "detail"), output)
    away = [row["part"] for row in rows if row["state"] == "down"]
    if away:
        alone = " (`mabos gateway run` starts the gateway alone)" if away == ["gateway"] else ""
        print_note(f"no answer from {', '.join(away)}: `mabos up` starts what is not up on this machine{alone}")
    raise typer.Exit(EXIT_AWAY if away else 0)


def _look_at_broker(settings: Settings) -> dict[str, Any]:
    row = {"part": "broker", "state": "up", "address": settings.bootstrap_servers}
    try:
        cluster = find_cluster(settings)
        brokers = cluster.count_brokers()
        specs = read_topic_specs(Queue(name=settings.queue), brokers=brokers)
        changes = diff_topics(specs, cluster.describe_topics([spec.name for spec in specs]))
    except BrokerUnavailable:
        return row | {"state": "down", "detail": None}
    topics = "topics agree" if not changes else f"{len(changes)} differences: mabos topics diff"
    return row | {"detail": f"{brokers} broker{'s' if brokers > 1 else ''}, {topics}"}


def _look_at_registry(settings: Settings) -> dict[str, Any]:
    answers = open_registry(settings).is_answering()
    row = {"part": "registry", "state": "up" if answers else "down", "address": settings.schema_registry_url}
    return row | {"detail": None}


def _look_at_view(settings: Settings) -> dict[str, Any]:
    """The database, and how far the view in it is."""
    address = show_database(settings.database_url.get_secret_value()).partition("?")[0]  # a socket's path is long
    row = {"part": "view", "state": "down", "address": address}
    try:
        require_extra()
        from mabos.streams.view_status import read_view_status  # noqa: PLC0415 - an extra that only some install

        found = read_view_status(settings, find_cluster(settings))
    except (DatabaseUnavailable, DatabaseRefused) as error:
        return row | {"detail": None if isinstance(error, DatabaseUnavailable) else str(error)}
    except (BrokerUnavailable, TopicsDiffer):
        return row | {"state": "up", "detail": "how far it is cannot be told without Kafka"}
    except MabosError as error:  # there is no view, or not what it takes to look
        return row | {"detail": str(error)}
    behind = f"{found.lag:,} records behind" if found.lag else "has read everything"
    return row | {"state": "up", "detail": behind}


def _look_at_gateway(settings: Settings) -> dict[str, Any]:
    found = http_status(settings.gateway_url + "/readyz")
    row = {"part": "gateway", "state": "down" if found is None else "up", "address": settings.gateway_url}
    return row | {"detail": {None: None, 200: "ready"}.get(found, f"not ready, /readyz answers {found}")}

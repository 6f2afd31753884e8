"""``mabos doctor``: what works today and will surprise somebody tomorrow, and what to do about it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import typer

from mabos.cli.checks import (
    Check,
    State,
    check_broker_config,
    check_brokers,
    check_clocks,
    check_files,
    check_groups,
    check_schemas,
    check_space,
    check_topics,
    check_view,
)
from mabos.cli.options import EXIT_AWAY, EXIT_NO, OutputOption, QueueOption, find_cluster, settings_for
from mabos.cli.output import Output, print_note, print_rows
from mabos.cli.view import require_extra
from mabos.kafka.clients import open_registry
from mabos.kafka.errors import BrokerRefused, BrokerUnavailable
from mabos.kafka.probe import http_status
from mabos.kafka.queues import event_types
from mabos.kafka.settings import Settings
from mabos.kafka.topic_state import look_at_topics
from mabos.kafka.topics import Queue
from mabos.schemas.codec import subject_of
from mabos.schemas.compatibility import find_breaks
from mabos.schemas.errors import MabosError, RegistryUnavailable
from mabos.schemas.vetting import parse_schema_text
from mabos.streams.errors import DatabaseUnavailable
from mabos.streams.lag import LagMeter

_LOCAL = ("127.0.0.1:", "localhost:", "[::1]:")
_AWAY = (BrokerUnavailable, RegistryUnavailable, DatabaseUnavailable)


def doctor(queue: QueueOption = None, output: OutputOption = Output.TABLE) -> None:
    """Look for what is wrong, or will surprise somebody, and say what to do. Exit code 1 if something is wrong.

    It looks at brokers, topics, schemas, groups, view, gateway and this machine, alters nothing, and joins no group.
    Exit code 3 if something does not answer. What is only worth a look leaves it at 0.
    """
    settings = settings_for(queue)
    parts: list[tuple[str, Callable[[Settings], list[Check]]]] = [
        ("brokers", _look_at_brokers),
        ("topics", _look_at_topics),
        ("schemas", _look_at_schemas),
        ("groups", _look_at_groups),
        ("view", _look_at_view),
        ("gateway", _look_at_gateway),
        ("this machine", _look_at_machine),
    ]
    with ThreadPoolExecutor(len(parts)) as pool:
        found = list(pool.map(lambda part: _look(part[0], part[1], settings), parts))
    checks = [check for part in found for check in part]
    print_rows((check.to_row() for check in checks), ("check", "state", "found", "advice"), output)
    states = {state: sum(check.state is state for check in checks) for state in State}
    if states[State.FINE] < len(checks):
        told = (f"{count} {state.value}" for state, count in states.items() if count and state is not State.FINE)
        print_note(f"{', '.join(told)}; {states[State.FINE]} fine")
    raise typer.Exit(EXIT_AWAY if states[State.AWAY] else EXIT_NO if states[State.WRONG] else 0)


def _look(name: str, look: Callable[[Settings], list[Check]], settings: Settings) -> list[Check]:
    try:
        return look(settings)
    except MabosError as error:
        state = State.AWAY if isinstance(error, _AWAY) else State.WRONG
        return [Check(check=name, state=state, found=str(error))]


def _look_at_brokers(settings: Settings) -> list[Check]:
    cluster, requests = find_cluster(settings), Queue(name=settings.queue).requests
    is_local = all(server.strip().startswith(_LOCAL) for server in settings.bootstrap_servers.split(","))
    checks = [check_brokers(cluster.count_brokers(), is_local=is_local)]
    try:
        retention = cluster.describe_topics([requests])[requests].config.get("retention.ms", "-1")
        retention_ms = None if int(retention) < 0 else int(retention)
        return checks + check_broker_config(cluster.broker_config(), retention_ms=retention_ms)
    except (BrokerRefused, LookupError):  # for administrators only, or there is no topic, which another check says
        return checks


def _look_at_topics(settings: Settings) -> list[Check]:
    return check_topics(look_at_topics(find_cluster(settings), Queue(name=settings.queue)))


def _look_at_schemas(settings: Settings) -> list[Check]:
    registry = open_registry(settings)
    missing: list[str] = []
    breaks: list[str] = []
    for topic, event_type in event_types(Queue(name=settings.queue)).items():
        ours, subject = parse_schema_text(event_type.schema_text), subject_of(topic)
        history = registry.history(subject)
        breaks += [f"{subject}: {problem}" for problem in find_breaks(ours, history)]
        if all(schema != ours for _, schema in history):
            missing.append(subject)
    return [check_schemas(missing, breaks)]


def _look_at_groups(settings: Settings) -> list[Check]:
    queue = Queue(name=settings.queue)
    meter = LagMeter(settings, find_cluster(settings), topics=[queue.requests], finds_ages=False)
    return check_groups([group for group in meter.measure_all() if group.group != queue.view_group])


def _look_at_view(settings: Settings) -> list[Check]:
    require_extra()
    from mabos.streams.clock import measure_clocks_apart_s  # noqa: PLC0415 - an extra that only some install
    from mabos.streams.view_status import read_view_status  # noqa: PLC0415 - as above

    clocks = check_clocks(measure_clocks_apart_s(settings))
    try:
        found = read_view_status(settings, find_cluster(settings))
    except BrokerUnavailable:
        return [clocks]  # another check says so
    return [check_view(found.lag, found.poisoned), clocks]


def _look_at_gateway(settings: Settings) -> list[Check]:
    make = partial(Check, check="gateway")
    code = http_status(settings.gateway_url + "/readyz")
    if code is None:
        return [make(state=State.AWAY, found=f"no answer at {settings.gateway_url}", advice="`mabos gateway run`")]
    if code != 200:
        advice = f"curl {settings.gateway_url}/readyz says why"
        return [make(state=State.WRONG, found=f"not ready, /readyz answers {code}", advice=advice)]
    return [make(state=State.FINE, found="ready")]


def _look_at_machine(settings: Settings) -> list[Check]:
    checks = []
    try:
        import resource  # noqa: PLC0415 - there is none for Windows
    except ImportError:
        pass
    else:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if limit != resource.RLIM_INFINITY:
            checks.append(check_files(limit))
    if settings.home.exists():
        checks.append(check_space(shutil.disk_usage(settings.home).free, str(settings.home)))
    return checks

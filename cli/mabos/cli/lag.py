"""``mabos lag``: how far consumer groups are behind."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from mabos.cli.options import OutputOption, QueueOption, find_cluster, settings_for
from mabos.cli.output import Output, print_error, print_line, print_note, print_rows
from mabos.kafka.errors import BrokerUnavailable
from mabos.streams.lag import GroupLag, LagMeter, PartitionLag, age_s

_COLUMNS = ("partition", "committed", "end", "lag", "oldest", "member")
_CLEAR = "\x1b[H\x1b[2J\x1b[3J"


def lag(
    group: Annotated[
        list[str] | None,
        typer.Argument(help="Consumer groups.", metavar="[GROUP]...", show_default="all that read the queue"),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again and again, until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option("--every", min=0.2, help="Seconds between two looks.")] = 2,
    queue: QueueOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show how many records wait for each group, since when, and which member has their partition.

    A record waits until its offset is committed, so tasks in hand count. It joins no group and alters nothing.
    """
    settings = settings_for(queue)
    meter = LagMeter(settings, find_cluster(settings))
    groups = list(dict.fromkeys(group or ()))
    _print(_measure(meter, groups), settings.queue, output)
    while watch:
        time.sleep(every)
        try:
            found = _measure(meter, groups)
        except BrokerUnavailable as error:  # whoever watches wants to see when it is back
            print_error(str(error))
            continue
        if output is Output.TABLE:
            _begin_anew()
        _print(found, settings.queue, output)


def _begin_anew() -> None:
    if sys.stdout is not None and sys.stdout.isatty():
        sys.stdout.write(_CLEAR)
    else:
        print_line("")


def _measure(meter: LagMeter, groups: Sequence[str]) -> list[GroupLag]:
    return [meter.measure(group) for group in groups] if groups else meter.measure_all()


def _print(groups: Sequence[GroupLag], queue: str, output: Output) -> None:
    if output is not Output.TABLE:
        print_rows(map(_to_json, groups), (), output)
        return
    if not groups:
        print_note(f"no consumer group has read queue {queue} yet: start one with `mabos worker run`")
    for group in groups:
        print_line(f"group {group.group}: {group.state}, {_count(len(group.members), 'member')}")
        if not group.partitions:
            print_note(f"it has committed nothing in queue {queue}, and reads none of its topics")
        for topic in dict.fromkeys(place.topic for place in group.partitions):
            _print_topic(topic, [place for place in group.partitions if place.topic == topic])


def _print_topic(topic: str, places: Sequence[PartitionLag]) -> None:
    waiting = sum(place.lag_records for place in places)
    oldest = min((place.oldest_at_ms for place in places if place.oldest_at_ms is not None), default=None)
    since = f", the oldest for {_show_age(oldest)}" if oldest is not None else ""
    print_line(f"{topic}: {waiting} waiting{since}")
    print_rows(map(_to_row, places), _COLUMNS, Output.TABLE)
    expired = sum(place.expired_records for place in places)
    if expired:
        print_note(f"{_count(expired, 'record')} of {topic} had expired before the group was done with them")


def _to_row(place: PartitionLag) -> dict[str, Any]:
    return {
        "partition": place.partition,
        "committed": place.committed,
        "end": place.end,
        "lag": place.lag_records,
        "oldest": _show_age(place.oldest_at_ms),
        "member": None if place.member is None else str(place.member),
    }


def _to_json(group: GroupLag) -> dict[str, Any]:
    return {
        "group": group.group,
        "state": group.state,
        "members": len(group.members),
        "lag": group.lag_records,
        "oldest_age_s": age_s(group.oldest_at_ms),
        "partitions": [
            {
                "topic": place.topic,
                "partition": place.partition,
                "committed": place.committed,
                "end": place.end,
                "lag": place.lag_records,
                "expired": place.expired_records,
                "oldest_age_s": age_s(place.oldest_at_ms),
                "member": None if place.member is None else place.member.member_id,
                "host": None if place.member is None else place.member.host,
            }
            for place in group.partitions
        ],
    }


def _show_age(at_ms: int | None) -> str | None:
    seconds = age_s(at_ms)
    if seconds is None:
        return None
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

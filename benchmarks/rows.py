"""The rows: what is compared with what, how often, and what must come out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from benchmarks.claims import Claim, Figure, Row, ratios
from benchmarks.contenders import (
    BARE,
    BARE_PUBLISHER,
    BARE_SINGLE,
    BARE_TRANSACTIONAL,
    FASTSTREAM_PUBLISHER,
    FASTSTREAM_WORKER,
    GATEWAY,
    GATEWAY_ALONE,
    OUR_PUBLISHER,
    OURS,
    OURS_ASYNC,
    OURS_EXACTLY_ONCE,
    PARALLEL_CONSUMER,
    QUIXSTREAMS_WORKER,
    Contender,
)
from benchmarks.display import Display
from benchmarks.http import HttpBench
from benchmarks.lookup import measure_lookup
from benchmarks.meter import Throughput
from benchmarks.pace import Latency, LatencyBench
from benchmarks.projection import ProjectionBench
from benchmarks.scans import ScanBench
from benchmarks.throughput import ThroughputBench

T = TypeVar("T")

_MANY = 300_000
_VERY_MANY = 10_000_000
_SOME = 100_000
_FEW = 6_000  # for whom a thousand a second is much
_PACED = 1_000
_FLOWING = 3_000
_LOG = 1_200_000
_POSTS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Harness:
    """What a row measures with."""

    throughput: ThroughputBench
    latency: LatencyBench
    scans: ScanBench
    http: HttpBench
    projection: ProjectionBench
    display: Display
    rounds: int
    scale: float
    """What part of each load is used: below 1, a run is quick and its figures are rough."""
    skipped: frozenset[str]
    """Families of contenders that are left out; claims against them are left out too."""

    def interleave(
        self, measure: Callable[[Contender, int], T], entries: Sequence[tuple[Contender, int]]
    ) -> dict[Contender, list[T]]:
        """Measure each contender once a round: ours, theirs, ours, theirs.

        Args:
            measure: Measures a contender with so many tasks.
            entries: Contenders, and how many tasks each gets.
        """
        wanted = [(contender, count) for contender, count in entries if contender.family not in self.skipped]
        results: dict[Contender, list[T]] = {contender: [] for contender, _ in wanted}
        for number in range(1, self.rounds + 1):
            self.display.say(f"round {number} of {self.rounds}")
            for contender, count in wanted:
                results[contender].append(measure(contender, round(count * self.scale)))
        return results


def measure_road(harness: Harness) -> Row:
    """Requests to responses, plain handler, one worker."""
    runs = harness.interleave(
        harness.throughput.measure_worker,
        [(OURS, _MANY), (BARE, _MANY), (QUIXSTREAMS_WORKER, _MANY), (FASTSTREAM_WORKER, _FEW)],
    )
    return Row(
        name="road",
        title="requests → responses, plain handler, one worker, 12 partitions, 1000 agents",
        claims=[
            *_rate_claims(runs, OURS, BARE, 0.7),
            *_rate_claims(runs, OURS, FASTSTREAM_WORKER, 40),
            *_rate_claims(runs, OURS, QUIXSTREAMS_WORKER, 1),
        ],
        figures=[*_rates(runs), *_memories(runs)],
    )


def measure_growth(harness: Harness) -> Row:
    """Requests to responses, of a log that is a hundred times as long as the least: ten million."""
    run = harness.throughput.measure_worker(OURS, round(_VERY_MANY * harness.scale))
    return Row(
        name="growth",
        title=f"the same through {_VERY_MANY * harness.scale:,.0f} requests",
        claims=[
            Claim(text="rate of the last tenth against the second", values=[run.evenness], bound=0.9),
            Claim(text="peak memory", values=[run.peak_rss_mib], bound=250, sense="at most", unit="MiB"),
        ],
        figures=_rates({OURS: [run]}),
    )


def measure_exactly_once(harness: Harness) -> Row:
    """The same, with responses and offsets in transactions."""
    runs = harness.interleave(
        harness.throughput.measure_worker, [(OURS_EXACTLY_ONCE, _MANY), (BARE_TRANSACTIONAL, _MANY)]
    )
    paced = harness.interleave(harness.latency.measure, [(OURS_EXACTLY_ONCE, _PACED), (BARE_TRANSACTIONAL, _PACED)])
    claims = _rate_claims(runs, OURS_EXACTLY_ONCE, BARE_TRANSACTIONAL, 0.6)
    if OURS_EXACTLY_ONCE in paced:
        p50_ms = [run.p50_ms for run in paced[OURS_EXACTLY_ONCE]]
        claims.append(Claim(text="p50 at 100 tasks/s", values=p50_ms, bound=25, sense="at most", unit="ms"))
    return Row(
        name="exactly-once",
        title="the same, exactly-once",
        claims=claims,
        figures=[*_rates(runs), *_latencies(paced)],
    )


def measure_latency(harness: Harness) -> Row:
    """Request publish to response read, at 100 tasks a second."""
    runs = harness.interleave(harness.latency.measure, [(OURS, _PACED), (BARE_SINGLE, _PACED)])
    claims = []
    if OURS in runs and BARE_SINGLE in runs:
        p50 = ratios([run.p50_ms for run in runs[OURS]], [run.p50_ms for run in runs[BARE_SINGLE]])
        claims.append(Claim(text=f"p50 against the {BARE_SINGLE.name}", values=p50, bound=1.2, sense="at most"))
    if OURS in runs:
        p99_ms = [run.p99_ms for run in runs[OURS]]
        claims.append(Claim(text="p99", values=p99_ms, bound=10, sense="at most", unit="ms"))
    return Row(
        name="latency",
        title="latency at 100 tasks/s, request publish → response read",
        claims=claims,
        figures=_latencies(runs),
    )


def measure_async(harness: Harness) -> Row:
    """A handler that waits 10 ms, many in flight, each agent's order kept."""
    runs = harness.interleave(harness.throughput.measure_worker, [(OURS_ASYNC, _SOME), (PARALLEL_CONSUMER, _SOME)])
    claims = _rate_claims(runs, OURS_ASYNC, PARALLEL_CONSUMER, 2)
    if OURS_ASYNC in runs and PARALLEL_CONSUMER in runs:
        memory = ratios(
            [run.peak_rss_mib for run in runs[OURS_ASYNC]], [run.peak_rss_mib for run in runs[PARALLEL_CONSUMER]]
        )
        claims.append(Claim(text="peak memory against it", values=memory, bound=0.25, sense="at most"))
    return Row(
        name="async",
        title="10 ms async handler, 1000 agents, 500 in flight, order kept",
        claims=claims,
        figures=[*_rates(runs), *_memories(runs)],
    )


def measure_publish(harness: Harness) -> Row:
    """Publishing, each record acknowledged by itself."""
    runs = harness.interleave(
        harness.throughput.measure_publisher,
        [(OUR_PUBLISHER, _MANY), (BARE_PUBLISHER, _MANY), (FASTSTREAM_PUBLISHER, _SOME)],
    )
    return Row(
        name="publish",
        title="publish, acknowledged one by one, Avro",
        claims=[
            *_rate_claims(runs, OUR_PUBLISHER, BARE_PUBLISHER, 0.8),
            *_rate_claims(runs, OUR_PUBLISHER, FASTSTREAM_PUBLISHER, 7),
        ],
        figures=_rates(runs),
    )


def measure_replay(harness: Harness) -> Row:
    """One agent's tasks found among those of a thousand."""
    ours: list[float] = []
    bare: list[float] = []
    count = round(_LOG * harness.scale)
    with harness.scans.loaded(count) as road:
        for number in range(1, harness.rounds + 1):
            harness.display.say(f"round {number} of {harness.rounds}")
            scan = harness.scans.scan(road)
            ours.append(scan.rate)
            bare.append(harness.scans.scan_bare(road, scan).rate)
    return Row(
        name="replay",
        title="replay scan: one agent of 1000, one partition of 12 is read",
        claims=[Claim(text="records a second", values=ours, bound=150_000, unit="records/s")],
        figures=[
            Figure(name="MABOS replay", values=ours, unit="records/s"),
            Figure(name="bare scan", values=bare, unit="records/s"),
        ],
    )


def measure_projection(harness: Harness) -> Row:
    """The view catches up with tasks and answers that are in the topics already."""
    runs = []
    for number in range(1, harness.rounds + 1):
        harness.display.say(f"round {number} of {harness.rounds}")
        runs.append(harness.projection.measure(round(_SOME * harness.scale)))
    rates = [run.rate for run in runs]
    return Row(
        name="projection",
        title="the view of tasks and their answers catches up, in PostgreSQL",
        claims=[Claim(text="events a second", values=rates, bound=20_000, unit="events/s")],
        figures=[
            Figure(name="MABOS projector", values=rates, unit="events/s"),
            Figure(name="processor time of the projector", values=[run.projector_us for run in runs], unit="us/event"),
            Figure(name="processor time of PostgreSQL", values=[run.database_us for run in runs], unit="us/event"),
            Figure(name="peak memory of the projector", values=[run.peak_rss_mib for run in runs], unit="MiB"),
        ],
    )


def measure_http(harness: Harness) -> Row:
    """Tasks over HTTP: one by one, in batches, and while other people's responses flow past."""
    posts = harness.interleave(harness.http.measure_posts, [(GATEWAY, _POSTS), (GATEWAY_ALONE, _POSTS)])
    batches = harness.interleave(harness.http.measure_batch, [(GATEWAY, _SOME)])
    flows = harness.interleave(harness.http.measure_flow, [(GATEWAY, _FLOWING)])
    claims = []
    if GATEWAY in posts and GATEWAY_ALONE in posts:
        values = ratios(posts[GATEWAY], posts[GATEWAY_ALONE])
        claims.append(Claim(text="rate against the same route with no Kafka behind it", values=values, bound=0.6))
    if GATEWAY in posts:
        claims.append(Claim(text="batch rate", values=batches[GATEWAY], bound=25_000, unit="tasks/s"))
        p99 = ratios([flow.flowing_p99_ms for flow in flows[GATEWAY]], [flow.idle_p99_ms for flow in flows[GATEWAY]])
        text = "p99 while 10,000 responses/s flow past, against idle"
        claims.append(Claim(text=text, values=p99, bound=2, sense="at most"))
    figures = [Figure(name=contender.name, values=rates, unit="tasks/s") for contender, rates in posts.items()]
    for contender, found in flows.items():
        figures += [
            Figure(name=f"{contender.name}, p99 idle", values=[flow.idle_p99_ms for flow in found], unit="ms"),
            Figure(name=f"{contender.name}, p99 in flow", values=[flow.flowing_p99_ms for flow in found], unit="ms"),
            Figure(name="bare producer, p99 idle", values=[flow.bare_idle_p99_ms for flow in found], unit="ms"),
            Figure(name="bare producer, p99 in flow", values=[flow.bare_flowing_p99_ms for flow in found], unit="ms"),
        ]
    return Row(
        name="http",
        title="POST /api/tasks, acknowledged; batches; POST while others' responses flow",
        claims=claims,
        figures=figures,
    )


ROWS: dict[str, Callable[[Harness], Row]] = {
    "road": measure_road,
    "exactly-once": measure_exactly_once,
    "latency": measure_latency,
    "async": measure_async,
    "publish": measure_publish,
    "replay": measure_replay,
    "projection": measure_projection,
    "http": measure_http,
    "growth": measure_growth,
    "lookup": measure_lookup,
}
LONG = frozenset({"growth", "lookup"})
"""Rows that take a quarter of an hour each, and gigabytes: measured only when they are named."""


def warm_up(harness: Harness) -> None:
    """A round that does not count: a broker that just started is slow at first."""
    harness.display.say("warming up")
    for _ in range(2):
        harness.throughput.measure_worker(BARE, round(_SOME * harness.scale))


def _rate_claims(
    runs: dict[Contender, list[Throughput]], ours: Contender, theirs: Contender, bound: float
) -> list[Claim]:
    """The claim that ours is so many times as fast; none if one of them was left out."""
    if ours not in runs or theirs not in runs:
        return []
    values = ratios([run.rate for run in runs[ours]], [run.rate for run in runs[theirs]])
    return [Claim(text=f"rate against {theirs.name}", values=values, bound=bound)]


def _rates(runs: dict[Contender, list[Throughput]]) -> list[Figure]:
    return [
        Figure(name=contender.name, values=[run.rate for run in found], unit="tasks/s")
        for contender, found in runs.items()
    ]


def _memories(runs: dict[Contender, list[Throughput]]) -> list[Figure]:
    return [
        Figure(name=f"{contender.name}, peak memory", values=[run.peak_rss_mib for run in found], unit="MiB")
        for contender, found in runs.items()
    ]


def _latencies(runs: dict[Contender, list[Latency]]) -> list[Figure]:
    return [
        Figure(name=f"{contender.name}, {name}", values=values, unit="ms")
        for contender, found in runs.items()
        for name, values in (("p50", [run.p50_ms for run in found]), ("p99", [run.p99_ms for run in found]))
    ]

"""Load the HTTP door step by step, and say what saturates first: ``make load``."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import SubprocessError

from benchmarks.contenders import GATEWAY, LOAD_WORKER, running
from benchmarks.display import Display
from benchmarks.http import wait_until_ready
from benchmarks.load.posting import RATE_PER_USER
from benchmarks.load.runner import Load, Part, run_step
from benchmarks.load.section import write_section
from benchmarks.load.steps import Outcome, Step, name_saturated
from benchmarks.machine import describe_machine
from benchmarks.profiles import Profiler
from benchmarks.rig import Rig, describe_road, run_rig
from mabos.kafka.ports import free_ports
from mabos.schemas.errors import MabosError

_PROFILES = Path("build") / "profiles"
STEADY_PER_S = (100, 250, 500, 1000, 1500)
HOT_PER_S = (100, 300, 600)
WAITERS = (100, 500, 1000, 2000)
BURST_USERS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One Locust file, and how much it is told to do."""

    title: str
    what: str
    loads: Sequence[Load]


def make_scenarios(seconds: float, scale: float) -> dict[str, Scenario]:
    """All scenarios, by the name of their file.

    Args:
        seconds: How long a step lasts.
        scale: Part of each load.
    """

    def paced(file: str, rates: Sequence[int]) -> list[Load]:
        users = [max(1, round(rate * scale / RATE_PER_USER)) for rate in rates]
        return [
            Load(
                file=file,
                text=f"{count * RATE_PER_USER:,} tasks/s",
                users=count,
                seconds=seconds,
                offered_per_s=float(count * RATE_PER_USER),
            )
            for count in users
        ]

    waiters = [max(1, round(count * scale)) for count in WAITERS]
    burst = max(1, round(BURST_USERS * scale))
    return {
        "steady": Scenario(
            title="Steady", what="Tasks for a thousand agents, one a request.", loads=paced("steady", STEADY_PER_S)
        ),
        "burst": Scenario(
            title="Burst",
            what=f"A hundred tasks a second, {burst * RATE_PER_USER:,} for some seconds, a hundred again.",
            loads=[
                Load(
                    file="burst",
                    text=f"100, {burst * RATE_PER_USER:,}, 100 tasks/s",
                    users=burst,
                    seconds=seconds,
                    has_shape=True,
                    environment={"BURST_USERS": str(burst), "BURST_PHASE_S": str(seconds)},
                )
            ],
        ),
        "hot_agent": Scenario(
            title="One hot agent",
            what="Nine of ten tasks are for one agent, and not waited for; the others' outcomes are.",
            loads=paced("hot_agent", HOT_PER_S),
        ),
        "waiters": Scenario(
            title="Many waiters",
            what="Each waits, again and again, for the outcome of a task that takes a second.",
            loads=[
                Load(
                    file="waiters",
                    text=f"{count:,} waiters",
                    users=count,
                    seconds=seconds,
                    offered_per_s=float(count),
                )
                for count in waiters
            ],
        ),
    }


def main() -> int:
    """Load it; returns 0 if everything could be measured."""
    options = _read_options()
    logging.getLogger("mabos").setLevel(logging.ERROR)
    display = Display()
    scenarios = make_scenarios(options.seconds, options.scale)
    try:
        display.say("starting a broker, a registry, a gateway and a worker")
        with run_rig() as rig, _serving(rig) as (url, parts):
            outcomes = [_measure(scenarios[name], url, parts, display) for name in options.only]
            profile = _profile(scenarios["steady"], url, parts) if options.profile else ""
    except (MabosError, OSError, SubprocessError) as error:
        display.say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    if options.write:
        display.say(f"written: {write_section(outcomes, describe_machine(), profile)}")
    return 0


@contextmanager
def _serving(rig: Rig) -> Iterator[tuple[str, dict[str, Part]]]:
    """A gateway and a worker: its URL, and the parts that are looked at."""
    (port,) = free_ports(1)
    with rig.new_queue() as settings:
        road = describe_road(settings)
        with (
            running(LOAD_WORKER, road, rig.folder) as worker,
            running(replace(GATEWAY, limits={"port": port}), road, rig.folder) as gateway,
        ):
            wait_until_ready(port, gateway)
            yield (
                f"http://127.0.0.1:{port}",
                {
                    "gateway": Part(pid=gateway.pid, bound=1),
                    "broker": Part(pid=rig.broker_pid, bound=float(os.cpu_count() or 1)),
                    "worker": Part(pid=worker.pid, bound=1),
                },
            )


def _measure(scenario: Scenario, url: str, parts: dict[str, Part], display: Display) -> Outcome:
    display.say(f"\n{scenario.title}")
    steps: list[Step] = []
    for load in scenario.loads:
        with display.bar(load.text, 1):
            step = run_step(load, url, parts)
        steps.append(step)
        for series in step.series:
            display.say(
                f"  {step.load:<26} {series.name:<26} {series.rate_per_s:7,.0f}/s"
                f"  p50 {series.quantile_ms(0.5):6,} ms  p99 {series.quantile_ms(0.99):6,} ms  {series.failures} errors"
            )
        display.say("  " + "  ".join(f"{name} {usage.cores:.2f}" for name, usage in step.usage.items()) + " cores")
    display.say(f"  {name_saturated(steps)}")
    return Outcome(title=scenario.title, what=scenario.what, steps=steps)


def _profile(scenario: Scenario, url: str, parts: dict[str, Part]) -> str:
    """Where the gateway's time goes under the highest load."""
    profiler = Profiler(_PROFILES)
    with profiler.watch(parts["gateway"].pid, "gateway under load"):
        run_step(scenario.loads[-1], url, parts)
    return profiler.summary


def _read_options() -> argparse.Namespace:
    names = list(make_scenarios(1, 1))
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--only", type=_names, default=names, metavar="NAME,...", help=f"of {', '.join(names)}")
    parser.add_argument("--seconds", type=float, default=8.0, metavar="N", help="how long a step lasts (default 8)")
    parser.add_argument("--scale", type=float, default=1.0, help="part of each load, such as 0.1 for a quick look")
    parser.add_argument("--profile", action="store_true", help="sample the gateway in one more step")
    parser.add_argument("--write", action="store_true", help="write docs/load.md anew")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names, known = text.split(","), make_scenarios(1, 1)
    if unknown := [name for name in names if name not in known]:
        raise argparse.ArgumentTypeError(f"no scenario {', '.join(unknown)}: there are {', '.join(known)}")
    return names


if __name__ == "__main__":
    sys.exit(main())

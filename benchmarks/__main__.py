"""Measure how fast it is beside what else could do the work, in one run on one machine: ``make bench``."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from subprocess import SubprocessError

from benchmarks.claims import Row
from benchmarks.display import Display
from benchmarks.http import HttpBench
from benchmarks.pace import LatencyBench
from benchmarks.profiles import Profiler
from benchmarks.projection import ProjectionBench
from benchmarks.report import print_rows, write_report
from benchmarks.rig import run_rig
from benchmarks.rows import LONG, ROWS, Harness, warm_up
from benchmarks.scans import ScanBench
from benchmarks.throughput import ThroughputBench
from mabos.schemas.errors import MabosError

_PROFILES = Path("build") / "profiles"


def main() -> int:
    """Measure the rows asked for; returns 0 if each claim holds."""
    options = _read_options()
    logging.getLogger("mabos").setLevel(logging.ERROR)  # a broker that just started has warnings for its first clients
    display = Display()
    try:
        rows, failed = _measure(options, display)
    except MabosError as error:
        display.say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    print_rows(rows)
    for name, cause in failed.items():
        print(f"{name} was not measured: {cause}")
    if options.write:
        display.say(f"written: {write_report(rows, failed, rounds=options.rounds)}")
    return 0 if not failed and all(claim.holds for row in rows for claim in row.claims) else 1


def _measure(options: argparse.Namespace, display: Display) -> tuple[list[Row], dict[str, str]]:
    """The rows, and why those that are missing are."""
    rows: list[Row] = []
    failed: dict[str, str] = {}
    display.say("starting a broker and a registry")
    with run_rig() as rig:
        profiler = Profiler(_PROFILES) if options.profile else None
        throughput = ThroughputBench(rig, display, profiler)
        harness = Harness(
            throughput=throughput,
            latency=LatencyBench(rig, display, profiler),
            scans=ScanBench(rig, throughput, display),
            http=HttpBench(rig, display, profiler),
            projection=ProjectionBench(rig, display, profiler),
            display=display,
            rounds=options.rounds,
            scale=options.scale,
            skipped=frozenset(options.skip),
        )
        warm_up(harness)
        for name in options.only:
            display.say(f"\n{name}")
            try:
                rows.append(ROWS[name](harness))
            except (MabosError, OSError, SubprocessError) as error:
                display.say(f"error: {error}")
                failed[name] = str(error).splitlines()[0]
    return rows, failed


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    usual = [name for name in ROWS if name not in LONG]
    parser.add_argument(
        "--only",
        type=_names,
        default=usual,
        metavar="ROW,...",
        help=f"of {', '.join(ROWS)}; all but {', '.join(LONG)} by default",
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="how often each is measured (default 3)")
    parser.add_argument(
        "--skip", type=_families, default=[], metavar="WHO,...", help="leave out: bare, faststream, quixstreams, java"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="part of each load, such as 0.1 for a quick look")
    parser.add_argument("--profile", action="store_true", help="sample our contenders, which slows them a little")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and its plot anew")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in ROWS]:
        raise argparse.ArgumentTypeError(f"no row {', '.join(unknown)}: there are {', '.join(ROWS)}")
    return names


def _families(text: str) -> list[str]:
    families = text.split(",")
    if unknown := [name for name in families if name not in ("ours", "bare", "faststream", "quixstreams", "java")]:
        raise argparse.ArgumentTypeError(f"nobody is called {', '.join(unknown)}")
    return families


if __name__ == "__main__":
    sys.exit(main())

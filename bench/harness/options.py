"""The command line of bench/run."""

import argparse
import os
from dataclasses import dataclass

from . import contenders

BODY_BYTES_MAX = 64 * 1024 * 1024
# Of the case for which `--connections` or `--body` was not given.
CONNECTIONS_DEFAULT = (64, 512, 9900)
BODIES_DEFAULT = (128,)


@dataclass(frozen=True)
class Options:
    rows: tuple[str, ...]
    contenders: tuple[str, ...]
    connections: tuple[int, ...]
    bodies: tuple[int, ...]
    rounds: int
    seconds: float
    warmup_seconds: float
    keys: int
    proxy_core: int
    load_core: int
    missing: str
    save: bool
    build: bool
    estimate: bool


def parse(arguments, rows=()):
    """`rows`: the names that `--only-rows` may have; all of them unless it is given."""
    parser = argparse.ArgumentParser(
        prog="bench/run",
        description="Measures Ringway beside nginx, HAProxy and a plain byte relay: one worker thread each, on one core.",
        epilog=f"Rows: {', '.join(rows)}.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    known = ",".join(contenders.NAMES)
    parser.add_argument("--only", metavar="NAMES", type=_names, default=known, help="contenders, by comma")
    parser.add_argument("--only-rows", metavar="ROWS", type=_among(rows), default=argparse.SUPPRESS,
                        help="of those below, by comma")
    parser.add_argument("--connections", metavar="N", type=_numbers(1, 1_000_000), default=argparse.SUPPRESS,
                        help="no row, but a closed loop with so many client connections, by comma")
    parser.add_argument("--body", metavar="BYTES", type=_numbers(0, BODY_BYTES_MAX), default=argparse.SUPPRESS,
                        help="no row, but a closed loop with response bodies of these sizes, by comma")
    parser.add_argument("--rounds", type=_number(int, 1), default=5, help="each contender is measured once a round")
    parser.add_argument("--seconds", type=_number(float, 0.2), default=2.5, help="measured window")
    parser.add_argument("--warmup", type=_number(float, 0), default=1.0,
                        help="seconds of the same load before the window")
    parser.add_argument("--keys", type=_number(int, 1), default=1024, help="different paths that are asked for")
    parser.add_argument("--proxy-core", type=_number(int, 0), default=0, help="the core of the contender")
    parser.add_argument("--load-core", type=_number(int, 0), default=1, help="the core of wrk and the upstream")
    parser.add_argument("--contender-missing", choices=["skip", "fail"], default="skip",
                        help="what to do when a contender's program is not installed")
    parser.add_argument("--no-build", action="store_true", help="use the programs in target/release as they are")
    parser.add_argument("--save", action="store_true",
                        help="write bench/results/DATE-COMMIT.{json,md}, and charts into a folder of that name")
    parser.add_argument("--estimate", action="store_true", help="say how long it takes, and end")
    given = parser.parse_args(arguments)
    for core in (given.proxy_core, given.load_core):
        if core not in os.sched_getaffinity(0):
            parser.error(f"core {core} is not among this process's cores {sorted(os.sched_getaffinity(0))}; "
                         "see --proxy-core and --load-core")
    asked = hasattr(given, "connections") or hasattr(given, "body")
    if asked and hasattr(given, "only_rows"):
        parser.error("--connections and --body are for a closed loop of your own; rows have theirs")
    return Options(
        rows=("asked",) if asked else getattr(given, "only_rows", tuple(rows)),
        contenders=given.only, connections=getattr(given, "connections", CONNECTIONS_DEFAULT),
        bodies=getattr(given, "body", BODIES_DEFAULT), rounds=given.rounds, seconds=given.seconds,
        warmup_seconds=given.warmup, keys=given.keys, proxy_core=given.proxy_core, load_core=given.load_core,
        missing=given.contender_missing, save=given.save, build=not given.no_build, estimate=given.estimate,
    )


def _among(known):
    def names(text):
        asked = [name.strip() for name in text.split(",")]
        for name in asked:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return tuple(name for name in known if name in asked)

    return names


def _names(text):
    names = []
    for name in text.split(","):
        found = contenders.matching(name.strip())
        if not found:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(contenders.NAMES)}")
        names += [each for each in found if each not in names]
    return tuple(names)


def _number(kind, lowest):
    def number(text):
        value = kind(text)
        if not value >= lowest:
            raise argparse.ArgumentTypeError(f"{text} is less than {lowest}")
        return value

    return number


def _numbers(lowest, highest):
    def numbers(text):
        values = tuple(int(each) for each in text.split(","))
        for value in values:
            if not lowest <= value <= highest:
                raise argparse.ArgumentTypeError(f"{value} is not between {lowest} and {highest}")
        return values

    return numbers

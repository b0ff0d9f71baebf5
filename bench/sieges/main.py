"""bench/siege: Ringway under attack, on both engines."""

import argparse
import random
import shlex
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

from harness import machine
from harness.contenders import REPOSITORY
from harness.measure import MeasurementFailed
from harness.ports import PortPicker
from harness.processes import Processes, raise_on_termination

from . import report, slowloris, soak, tokens

SIEGES = {"slowloris": slowloris, "soak": soak, "tokens": tokens}
MINUTES = {"slowloris": 0.0, "soak": 20.0, "tokens": 3.0}
EXIT_INTERRUPTED = 130


def main(given):
    options = _options(given)
    try:
        return _run(options)
    except KeyboardInterrupt:
        _say("interrupted; everything is stopped")
        return EXIT_INTERRUPTED


def _options(given):
    parser = argparse.ArgumentParser(prog="bench/siege", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("siege", nargs="*", metavar="SIEGE", help=", ".join(SIEGES) + "; none: all")
    parser.add_argument("--engine", default="epoll,io_uring", help="engines, by comma")
    parser.add_argument("--seed", type=int, help="of all chance; drawn and printed where it is not given")
    parser.add_argument("--minutes", type=float, help="how long soak (20) and tokens (3) take, each engine")
    parser.add_argument("--no-build", action="store_true", help="use the programs in target/release as they are")
    parser.add_argument("--save", action="store_true", help="write bench/results/DATE-siege.md")
    slow = parser.add_argument_group("slowloris")
    slow.add_argument("--connections", type=int, default=9_000, help="drippers")
    slow.add_argument("--kinds", default="head,body,chunks,unread,silent", help="of drippers, in equal parts")
    slow.add_argument("--interval-ms", type=int, default=5_000, help="from byte to byte")
    slow.add_argument("--load-connections", type=int, default=64, help="of wrk")
    slow.add_argument("--rounds", type=int, default=5, help="each without and with the drippers")
    slow.add_argument("--seconds", type=float, default=15.0, help="measured window")
    slow.add_argument("--warmup", dest="warmup_seconds", type=float, default=2.0, help="seconds of wrk before the window")
    slow.add_argument("--settle", type=float, default=25.0, help="seconds of the drippers before wrk")
    slow.add_argument("--pool", type=int, default=8_192, help="connections_max of Ringway's pools; 1024 where it is not configured")
    slow.add_argument("--proxy-core", type=int, default=0, help="the core of Ringway")
    slow.add_argument("--load-core", type=int, default=1, help="the core of all else")
    hostile = parser.add_argument_group("soak")
    hostile.add_argument("--attackers", type=int, default=300, help="hostile clients at a time")
    hostile.add_argument("--cycle", type=int, default=60, help="seconds of traffic")
    hostile.add_argument("--calm", type=float, default=10.0, help="seconds of calm behind it: the time-outs, and two and a half until what is not needed is given up")
    ledger = parser.add_argument_group("tokens")
    ledger.add_argument("--clients", type=int, default=128, help="clients at a time")
    ledger.add_argument("--plant", help=argparse.SUPPRESS)
    options = parser.parse_args(given)
    options.siege = options.siege or list(SIEGES)
    if unknown := [name for name in options.siege if name not in SIEGES]:
        parser.error(f"no siege {unknown[0]}; there are {', '.join(SIEGES)}")
    options.keys, options.command = 1024, shlex.join(["bench/siege", *given])
    options.seed = random.randrange(1 << 32) if options.seed is None else options.seed
    return options


def _run(options):
    raise_on_termination()
    if problems := machine.missing_tools(not options.no_build):
        raise SystemExit("\n".join(problems))
    if not options.no_build:
        subprocess.run(["cargo", "build", "--release", "--bin", "ringway", "--example", "besieger", "--example", "upstream"],
                       cwd=REPOSITORY, check=True)
    machine.raise_descriptor_limit()
    options.softirq_apart = bool(machine.softirq_is_accounted_apart())
    facts, sections, failed = report.facts(), {}, False
    _say(f"seed {options.seed}")
    with Processes() as running:
        for name in options.siege:
            own = argparse.Namespace(**vars(options) | {"minutes": options.minutes or MINUTES[name]})
            results = _besiege(running, name, own)
            failed |= any(each["faults"] for each in results)
            sections[name] = report.section(name, SIEGES[name].markdown(results, own), results, own, facts)
            print(sections[name], flush=True)
    if options.save:
        path = REPOSITORY / "bench" / "results" / f"{date.today().isoformat()}-siege.md"
        report.save(path, sections)
        _say(f"wrote {path.relative_to(REPOSITORY)}")
    return 1 if failed else 0


def _besiege(running, name, options):
    """What the siege found, engine by engine."""
    ports, results = PortPicker(), []
    for engine in options.engine.split(","):
        _say(f"{name}, {engine}")
        with tempfile.TemporaryDirectory(prefix=f"ringway-{name}-") as folder:
            try:
                found = SIEGES[name].besiege(running, engine, options, Path(folder), ports, lambda line: _say(f"{name}: {line}"))
            except MeasurementFailed as failure:
                raise SystemExit(f"{name}, {engine}: {failure}") from failure
        for fault in found["faults"]:
            _say(f"FAULT {name}, {engine}: {fault}")
        results.append(found)
    return results


def _say(line):
    """Progress goes to standard error: standard output carries the report alone."""
    print(f"siege: {line}", file=sys.stderr, flush=True)

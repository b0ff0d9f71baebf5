"""bench/matrix: every case through Ringway to servers of other make, and whether each understood what Ringway meant."""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from datetime import date
from pathlib import Path

from harness.contenders import REPOSITORY
from harness.ports import PortPicker
from harness.processes import Processes, raise_on_termination
from hostile import cases, drive, proxies
from hostile.case import ABORT, BODY, END, READ, Await, Signal
from hostile.main import wait_until_ready
from hostile.wire import connect

from . import judge, report, sequences, servers
from .tap import Tap

PATIENCE_S = 5.0


def main(given):
    options = _options(given)
    raise_on_termination()
    chosen, absent = _chosen(options.behind)
    for name in absent:
        print(f"skipped: {name} is not installed", file=sys.stderr)
    groups = sequences.with_sequences(cases.matching(options.case), options.case)
    groups = [replace(group, cases=[case for case in group.cases if _fits(group, case)]) for group in groups]
    if not any(group.cases for group in groups):
        raise SystemExit(f"no case has {options.case!r} in its name and leaves the upstream's part open")
    with tempfile.TemporaryDirectory(prefix="ringway-matrix-") as folder, Processes() as running:
        Path(folder).chmod(0o755)
        engines = [proxy for proxy in proxies.ringway(options.program) if proxy.name.removeprefix("ringway-") in options.engines]
        outcomes = _run_all(running, chosen, engines, groups, Path(folder))
    table = report.Table(groups, chosen, outcomes, shlex.join(["bench/matrix", *given]))
    if options.save:
        path = REPOSITORY / "bench" / "results" / f"{date.today().isoformat()}-matrix.md"
        path.write_text(table.markdown())
    print(table.summary())
    for fault in table.faults():
        print(f"FAULT {fault}", file=sys.stderr)
    required = os.environ.get("RINGWAY_TEST_REQUIRE_ALL") == "1"
    return 1 if table.faults() or (absent and required) else 0


def _options(given):
    parser = argparse.ArgumentParser(prog="bench/matrix", description=__doc__)
    names = ",".join(server.name for server in servers.ALL)
    parser.add_argument("--behind", metavar="NAMES", default=names, help="servers, by comma (default: %(default)s)")
    parser.add_argument("--engines", default="epoll,io_uring", help="(default: %(default)s)")
    parser.add_argument("--program", type=Path, help="a ringway that is built; else the debug build of this tree")
    parser.add_argument("--case", default="", help="only the cases whose names hold this")
    parser.add_argument("--save", action="store_true", help="write bench/results/DATE-matrix.md")
    options = parser.parse_args(given)
    options.behind, options.engines = options.behind.split(","), options.engines.split(",")
    if unknown := set(options.behind) - set(names.split(",")):
        parser.error(f"no server {', '.join(sorted(unknown))}; there are {names}")
    if options.program is None:
        subprocess.run(["cargo", "build", "--quiet", "--bin", "ringway", "--example", "hyper_server"], cwd=REPOSITORY, check=True)
    options.program = (options.program or REPOSITORY / "target" / "debug" / "ringway").resolve()
    return options


def _chosen(names):
    wanted = [server for server in servers.ALL if server.name in names]
    return [server for server in wanted if server.found()], [server.name for server in wanted if not server.found()]


def _run_all(running, chosen, engines, groups, folder):
    """The outcome of each case by (server, engine); all pairs side by side."""
    ports, outcomes, threads = PortPicker(), {}, []
    for server in chosen:
        for engine in engines:
            place = folder / f"{server.name}-{engine.name}"
            place.mkdir()
            records = place / "records"
            records.touch()
            tap = Tap(_started(running, server, place, ports, records))
            port = ports.take()
            process = running.start(engine.command(place, port, ports.take(), tap.port), "0-1023", place / "log")
            wait_until_ready(process, engine.name, port)
            outcomes[server.name, engine.name] = {}
            arguments = (server, groups, port, tap, records, outcomes[server.name, engine.name])
            threads.append(threading.Thread(target=_run, args=arguments, daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def _started(running, server, place, ports, records):
    port, origin_port = ports.take(), ports.take()
    if server.with_origin:
        process = running.start(servers.origin(origin_port, records), "0-1023", place / "origin-log")
        wait_until_ready(process, "the origin", origin_port)
    process = running.start(server.command(place, port, origin_port, records), "0-1023", place / "server-log")
    wait_until_ready(process, server.name, port)
    return port


def _run(server, groups, port, tap, records, outcomes):
    with open(records, "rb") as log:
        for group in groups:
            for case in group.cases:
                outcomes[case.name] = _run_one(server, case, port, tap, log)


def _fits(group, case):
    """Not where the upstream's part is prescribed: a real server does as it likes."""
    steps = _steps(case.client)
    waits = READ in steps and any(BODY in _steps(script) for script in case.upstream)
    return not (group.of_answers or waits or any(isinstance(step, (Await, Signal)) for step in steps))


def _steps(script):
    return script if isinstance(script, (list, tuple)) else [script]


def _run_one(server, case, port, tap, log):
    tap.begin()
    seen = drive.Conversation(case, connect(port, PATIENCE_S), None).run()
    seen.neighbour_served = drive.neighbour(port, PATIENCE_S) is not None
    steps = _steps(case.client)
    cut = any(not request.whole for wire in tap.wires for request in wire.requests())
    if cut or ABORT in steps or END in steps:
        tap.settle()
    understood = [json.loads(line) for line in log.read().splitlines()]
    return judge.judged(tap.wires, understood, seen, server.understands)

"""bench/conformance: every case on every proxy, a table, and whether Ringway did what it must."""

import argparse
import shlex
import subprocess
import sys
import tempfile
import threading
from datetime import date
from pathlib import Path

from harness.contenders import REPOSITORY
from harness.ports import PortPicker
from harness.processes import Processes, output_of, raise_on_termination, wait_until

from . import cases, drive, proxies, report
from .expect import always
from .upstream import Upstream
from .wire import connect

READY_TIMEOUT_S = 10.0
# Whether a proxy still answers must not depend on how busy the machine is; a peer that is silent is told sooner.
PATIENCE_S = {"ringway": 5.0}
PATIENCE_OF_PEERS_S = 1.0


def main(given):
    options = _options(given)
    chosen = [proxy for proxy in (*proxies.ringway(options.program), *proxies.PEERS) if proxy.family in options.only]
    groups = cases.matching(options.case)
    raise_on_termination()
    with tempfile.TemporaryDirectory(prefix="ringway-conformance-") as folder, Processes() as running:
        # nginx's worker may be another user.
        Path(folder).chmod(0o755)
        observed = _observe(running, chosen, groups, Path(folder))
    table = report.Table(groups, chosen, observed, shlex.join(["bench/conformance", *given]))
    faults = table.faults = _faults(groups, chosen, observed) + table.looser_without_reason()
    if options.save:
        path = REPOSITORY / "bench" / "results" / f"{date.today().isoformat()}-conformance.md"
        path.write_text(table.markdown())
    if options.table:
        print(table.markdown())
    print(table.summary())
    for fault in faults:
        print(f"FAULT {fault}", file=sys.stderr)
    return 1 if faults else 0


def _options(given):
    parser = argparse.ArgumentParser(prog="bench/conformance", description=__doc__)
    families = ("ringway", "nginx", "haproxy")
    parser.add_argument("--only", metavar="NAMES", default=",".join(families), help="proxies, by comma (default: %(default)s)")
    parser.add_argument("--program", type=Path, help="a ringway that is built; else the debug build of this tree")
    parser.add_argument("--case", default="", help="only the cases whose names hold this")
    parser.add_argument("--table", action="store_true", help="print the table")
    parser.add_argument("--save", action="store_true", help="write bench/results/DATE-conformance.md")
    options = parser.parse_args(given)
    options.only = options.only.split(",")
    if unknown := set(options.only) - set(families):
        parser.error(f"no proxy {', '.join(sorted(unknown))}; there are {', '.join(families)}")
    if options.program is None and "ringway" in options.only:
        subprocess.run(["cargo", "build", "--quiet", "--bin", "ringway"], cwd=REPOSITORY, check=True)
    options.program = (options.program or REPOSITORY / "target" / "debug" / "ringway").resolve()
    return options


def _observe(running, chosen, groups, folder):
    """What each proxy made of each case, by their names. The proxies run side by side, each with its own upstream."""
    ports, observed, threads = PortPicker(), {}, []
    for proxy in chosen:
        upstream = Upstream()
        place = folder / proxy.name
        place.mkdir()
        port, admin_port = ports.take(), ports.take()
        process = running.start(proxy.command(place, port, admin_port, upstream.port), "0-1023", place / "log")
        wait_until_ready(process, proxy.name, port)
        observed[proxy.name] = {}
        arguments = (proxy, port, upstream, groups, observed[proxy.name])
        threads.append(threading.Thread(target=_run_all, args=arguments))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return observed


def _run_all(proxy, port, upstream, groups, observed):
    patience_s = PATIENCE_S.get(proxy.family, PATIENCE_OF_PEERS_S)
    for group in groups:
        for case in group.cases:
            observed[case.name] = drive.run(case, port, upstream, patience_s, proxy.watches_idle)


def wait_until_ready(process, name, port):
    def ready():
        if process.poll() is not None:
            raise SystemExit(f"{name} ended at once: {output_of(process) or 'no output'}")
        try:
            connect(port, 1.0, deadline_s=0).connection.close()
            return True
        except OSError:
            return False

    if not wait_until(ready, READY_TIMEOUT_S):
        raise SystemExit(f"{name} accepted no connection within {READY_TIMEOUT_S:.0f} s: {output_of(process)}")


def _faults(groups, chosen, observed):
    """Where Ringway did not do what it must: one line for what all its engines did."""
    found = {}
    for proxy in (proxy for proxy in chosen if proxy.family == "ringway"):
        for case in (case for group in groups for case in group.cases):
            seen = observed[proxy.name].get(case.name)
            wrong = ["it was not run to its end"] if seen is None else [*case.must.faults(seen), *always(seen)]
            if wrong:
                told = f"{case.name} (RFC {case.rfc}; must: {case.must.text}): {'; '.join(wrong)}"
                found.setdefault(told, []).append(proxy.name)
    return [f"{', '.join(names)}: {told}" for told, names in found.items()]

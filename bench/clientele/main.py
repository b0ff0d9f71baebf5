"""bench/clients: real clients through Ringway, on each engine, and whether everything arrived byte by byte."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from behind.servers import program
from harness.contenders import REPOSITORY
from harness.ports import PortPicker
from harness.processes import Processes, raise_on_termination
from hostile import proxies
from hostile.main import wait_until_ready

from . import checks

HERE = Path(__file__).resolve().parent
LARGE_BYTES = 100_000_000


def main(given):
    options = _options(given)
    raise_on_termination()
    required = os.environ.get("RINGWAY_TEST_REQUIRE_ALL") == "1"
    if not program("node"):
        print("skipped: node is not installed, and the clients' server runs on it", file=sys.stderr)
        return 1 if required else 0
    chosen = [check for check in checks.ALL if options.check in check.name]
    missing = [check for check in chosen if not check.found()]
    for check in missing:
        print(f"skipped: {check.name}: not installed", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="ringway-clients-") as folder, Processes() as running:
        failed = _run(running, Path(folder), options, [check for check in chosen if check not in missing])
    return 1 if failed or (missing and required) else 0


def _options(given):
    parser = argparse.ArgumentParser(prog="bench/clients", description=__doc__)
    parser.add_argument("--program", type=Path, help="a ringway that is built; else the debug build of this tree")
    parser.add_argument("--engines", default="epoll,io_uring", help="(default: %(default)s)")
    parser.add_argument("--check", default="", help="only the checks whose names hold this")
    options = parser.parse_args(given)
    options.engines = options.engines.split(",")
    if options.program is None:
        subprocess.run(["cargo", "build", "--quiet", "--bin", "ringway"], cwd=REPOSITORY, check=True)
    options.program = (options.program or REPOSITORY / "target" / "debug" / "ringway").resolve()
    return options


def _run(running, folder, options, chosen):
    """How many checks failed."""
    ports, failed = PortPicker(), 0
    large = folder / "large"
    large.write_bytes(os.urandom(LARGE_BYTES))
    _repository(folder / "repositories" / "project.git")
    server = _started(running, folder, ports, "server", [program("node"), str(HERE / "server.js")], [])
    git = _started(running, folder, ports, "git", ["python3", str(HERE / "git_server.py")], [str(folder / "repositories")])
    for engine in proxies.ringway(options.program):
        if engine.name.removeprefix("ringway-") in options.engines:
            place = folder / engine.name
            place.mkdir()
            port, git_port = (_proxied(running, engine, place, ports, upstream) for upstream in (server, git))
            failed += _all(chosen, engine.name, checks.Place(port, git_port, place, folder / "server-log", large, checks.sha256_of(large)))
    return failed


def _all(chosen, engine, place):
    failed = 0
    for check in chosen:
        begun = time.monotonic()
        try:
            check.run(place)
        except (checks.Wrong, subprocess.TimeoutExpired) as wrong:
            failed += 1
            print(f"FAULT {engine}: {check.name}: {wrong}", file=sys.stderr)
        else:
            print(f"{engine}: {check.name} ({time.monotonic() - begun:.1f} s)")
    return failed


def _repository(path):
    """A bare one with a commit that has no content, so that there is something to clone."""
    environment = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(path.parent), "GIT_AUTHOR_NAME": "Tester", "GIT_AUTHOR_EMAIL": "tester@example.com",
                   "GIT_COMMITTER_NAME": "Tester", "GIT_COMMITTER_EMAIL": "tester@example.com"}
    path.parent.mkdir()

    def git(*arguments, given=b""):
        done = subprocess.run(["git", *arguments], input=given, env=environment, capture_output=True, check=True)
        return done.stdout.decode().strip()

    git("init", "-q", "--bare", "-b", "main", str(path))
    tree = git("-C", str(path), "mktree")
    git("-C", str(path), "update-ref", "refs/heads/main", git("-C", str(path), "commit-tree", "-m", "First", tree))


def _started(running, folder, ports, name, command, more):
    port = ports.take()
    process = running.start([*command, str(port), *more], "0-1023", folder / f"{name}-log")
    wait_until_ready(process, name, port)
    return port


def _proxied(running, engine, place, ports, upstream):
    port = ports.take()
    folder = place / str(upstream)
    folder.mkdir()
    process = running.start(engine.command(folder, port, ports.take(), upstream), "0-1023", folder / "log")
    wait_until_ready(process, engine.name, port)
    return port

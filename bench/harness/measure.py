"""One measurement: a fresh upstream, a fresh contender, load from wrk, and readings around a window of it.

The window lies inside wrk's run, so that the setting up and closing of connections is not counted. Requests
are counted by the upstream, whose counter can be read at any moment, unlike wrk's.
"""

import http.client
import json
import math
import time
from pathlib import Path

from . import processes as child
from .accounting import CoreTime, CpuTime, memory, process_tree
from .contenders import PROGRAMS, Setting

SCRIPT = Path(__file__).with_name("load.lua")
UPSTREAM_ADDRESSES = 3
READY_TIMEOUT_S = 10.0
REQUEST_TIMEOUT_S = 2.0
# The load goes on after the window while memory is read.
TAIL_SECONDS = 0.5
WRK_TIMEOUT_S = 30
# What wrk may take beyond its duration, to open and to close thousands of connections.
WRK_GRACE_S = 30.0
ERROR_KINDS = ("connect_errors", "read_errors", "write_errors", "timeouts", "status_errors")


class MeasurementFailed(Exception):
    """The contender or its load did not work; the message is for the reader of the report."""


def measure(running, contender, options, connections, body, ports, folder, softirq_apart=False):
    """One contender's figures; `running` owns the processes, which are stopped before this returns.

    `softirq_apart`: this kernel leaves softirq time out of a thread's own, see `_figures`.
    """
    setting = Setting(folder=folder, port=ports.take(), admin_port=ports.take(), connections=connections,
                      upstream_ports=tuple(ports.take() for _ in range(UPSTREAM_ADDRESSES)))
    started = []
    try:
        started.append(start_upstream(running, options, setting))
        proxy = running.start(contender.command(setting), options.proxy_core, folder / "proxy.log")
        started.append(proxy)
        wait_until_ready(proxy, contender.name, setting.port, f"/{body}/key-1")
        return measure_load(running, proxy, options, setting, body, softirq_apart)
    finally:
        # The upstream last: nobody sees its peer vanish in the middle of a request.
        for process in reversed(started):
            running.stop(process)


def measure_load(running, proxy, options, setting, body, softirq_apart=False):
    """The figures of a proxy that runs already, behind it an upstream that does; the load is stopped before this returns."""
    load = running.start(_wrk(options, setting, body), options.load_core, setting.folder / "wrk.log")
    try:
        window = _read_window(proxy, load, options, setting)
        client = _wrk_figures(load, options)
    finally:
        running.stop(load)
    return _figures(window, client, softirq_apart)


def start_upstream(running, options, setting):
    addresses = [f"127.0.0.1:{port}" for port in setting.upstream_ports]
    command = [str(PROGRAMS / "examples" / "upstream"), *addresses]
    upstream = running.start(command, options.load_core, setting.folder / "upstream.log")
    wait_until_ready(upstream, "upstream", setting.upstream_ports[-1], "/count")
    return upstream


def _wrk(options, setting, body):
    seconds = math.ceil(options.warmup_seconds + options.seconds + TAIL_SECONDS)
    return ["wrk", "--threads", "1", "--connections", str(setting.connections), "--duration", f"{seconds}s",
            "--timeout", f"{WRK_TIMEOUT_S}s", "--latency", "--script", str(SCRIPT),
            f"http://127.0.0.1:{setting.port}", "--", str(body), str(options.keys)]


def wait_until_ready(process, name, port, path):
    def ready():
        if process.poll() is not None:
            raise MeasurementFailed(f"{name} ended at once with status {process.returncode}: "
                                    f"{child.output_of(process) or 'no output'}")
        try:
            return _get(port, path)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    if not child.wait_until(ready, READY_TIMEOUT_S):
        raise MeasurementFailed(f"{name} gave no 200 to GET {path} within {READY_TIMEOUT_S:.0f} s: "
                                f"{child.output_of(process) or 'no output'}")


def _get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_TIMEOUT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


class _RequestCounter:
    """The upstream's count, over a connection opened before the load, which would make it wait in a backlog."""

    def __init__(self, port):
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WRK_TIMEOUT_S)

    def read(self):
        self._connection.request("GET", "/count")
        return int(self._connection.getresponse().read())

    def close(self):
        self._connection.close()


class _Reading:
    """All counters at one moment, between two clock readings."""

    def __init__(self, counter, tree, core):
        self.requests = counter.read()
        self.at = time.monotonic()
        self.cpu = CpuTime.read(tree)
        self.core = CoreTime.read(core)


def _read_window(proxy, load, options, setting):
    counter = _RequestCounter(setting.upstream_ports[-1])
    try:
        counter.read()
        time.sleep(options.warmup_seconds)
        tree = process_tree(proxy.pid)
        first = _Reading(counter, tree, options.proxy_core)
        time.sleep(options.seconds)
        last = _Reading(counter, tree, options.proxy_core)
        if load.poll() is not None:
            raise MeasurementFailed(f"wrk ended before the window did: {child.output_of(load)}")
        if proxy.poll() is not None:
            raise MeasurementFailed(f"the proxy ended under load with status {proxy.returncode}: "
                                    f"{child.output_of(proxy) or 'no output'}")
        return first, last, memory(process_tree(proxy.pid))
    finally:
        counter.close()


def _wrk_figures(load, options):
    duration = options.warmup_seconds + options.seconds + TAIL_SECONDS
    if not child.wait_until(lambda: load.poll() is not None, duration + WRK_GRACE_S):
        raise MeasurementFailed("wrk did not end")
    # Of several loads in one folder the last one's.
    for line in reversed(child.output_of(load).splitlines()):
        if line.startswith("FIGURES "):
            return json.loads(line.removeprefix("FIGURES "))
    raise MeasurementFailed(f"wrk gave no figures: {child.output_of(load)}")


def _figures(window, client, softirq_apart):
    first, last, bytes_used = window
    seconds = last.at - first.at
    requests = last.requests - first.requests
    if requests == 0:
        raise MeasurementFailed(f"no request reached the upstream within the window; wrk says {client}")
    cpu, core = last.cpu.since(first.cpu), last.core.since(first.core)
    if softirq_apart:
        # Over loopback a sender's softirq does the receiver's half of TCP, which is most of the bill.
        cpu["total_s"] += core["softirq_s"]
        cpu["system_s"] += core["softirq_s"]
    return {
        "window_s": seconds,
        "requests": requests,
        "requests_per_s": requests / seconds,
        "cpu_us_per_request": cpu["total_s"] / requests * 1e6,
        "user_us_per_request": cpu["user_s"] / requests * 1e6,
        "system_us_per_request": cpu["system_s"] / requests * 1e6,
        "core_share": cpu["total_s"] / seconds,
        # Ticks are coarse: below zero means zero.
        "core_share_of_others": max(0.0, core["busy_s"] - cpu["total_s"]) / seconds,
        "core_share_stolen": core["stolen_s"] / seconds,
        "threads_ended": cpu["threads_ended"],
        "p50_us": client["p50_us"],
        "p99_us": client["p99_us"],
        "errors": sum(client[kind] for kind in ERROR_KINDS),
        "memory": bytes_used,
        "wrk": client,
    }

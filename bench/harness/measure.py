"""One measurement: load on a proxy that runs, and readings around a window of it.

The window lies inside the load's run, so that the setting up and closing of connections is not counted. Requests
are counted by the upstream, whose counter can be read at any moment, unlike wrk's.
"""

import http.client
import time

from . import processes as child
from .accounting import CoreTime, CpuTime, memory, process_tree
from .contenders import PROGRAMS, Setting
from .loads import ERROR_KINDS, TAIL_SECONDS, WRK, LoadFailed

UPSTREAM_ADDRESSES = 3
READY_TIMEOUT_S = 10.0
REQUEST_TIMEOUT_S = 2.0
COUNT_TIMEOUT_S = 30.0
# What the load may take beyond its duration, to open and to close thousands of connections.
LOAD_GRACE_S = 30.0


class MeasurementFailed(Exception):
    """The contender or its load did not work; the message is for the reader of the report."""


def measure_load(running, proxy, options, setting, body, softirq_apart=False, load=WRK):
    """The figures of a proxy that runs already, behind it an upstream that does; the load is stopped before this returns.

    `softirq_apart`: this kernel leaves softirq time out of a thread's own, see `_figures`.
    """
    command = load.command(options, setting, body)
    generator = running.start(command, options.load_core, setting.folder / "load.log")
    try:
        window = _read_window(proxy, generator, options, setting)
        client = _client_figures(load, generator, options, setting)
    finally:
        running.stop(generator)
    return _figures(window, client, softirq_apart)


def start_upstream(running, options, setting):
    addresses = [f"127.0.0.1:{port}" for port in setting.upstream_ports]
    command = [str(PROGRAMS / "examples" / "upstream"), *addresses]
    upstream = running.start(command, options.load_core, setting.folder / "upstream.log")
    wait_until_ready(upstream, "upstream", setting.upstream_ports[-1], "/count")
    return upstream


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


class RequestCounter:
    """The upstream's count, over a connection opened before the load, which would make it wait in a backlog."""

    def __init__(self, port):
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=COUNT_TIMEOUT_S)

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
    counter = RequestCounter(setting.upstream_ports[-1])
    try:
        counter.read()
        time.sleep(options.warmup_seconds)
        tree = process_tree(proxy.pid)
        first = _Reading(counter, tree, options.proxy_core)
        time.sleep(options.seconds)
        last = _Reading(counter, tree, options.proxy_core)
        if load.poll() is not None:
            raise MeasurementFailed(f"the load ended before the window did: {child.output_of(load)}")
        if proxy.poll() is not None:
            raise MeasurementFailed(f"the proxy ended under load with status {proxy.returncode}: "
                                    f"{child.output_of(proxy) or 'no output'}")
        return first, last, memory(process_tree(proxy.pid))
    finally:
        counter.close()


def _client_figures(load, generator, options, setting):
    duration = options.warmup_seconds + options.seconds + TAIL_SECONDS
    if not child.wait_until(lambda: generator.poll() is not None, duration + LOAD_GRACE_S):
        raise MeasurementFailed("the load did not end")
    try:
        return load.figures(setting, child.output_of(generator))
    except LoadFailed as failure:
        raise MeasurementFailed(str(failure)) from failure


def _figures(window, client, softirq_apart):
    first, last, bytes_used = window
    seconds = last.at - first.at
    requests = last.requests - first.requests
    if requests == 0:
        raise MeasurementFailed(f"no request reached the upstream within the window; the load says {client}")
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
        "busiest_thread_us_per_request": cpu["busiest_thread_s"] / requests * 1e6,
        "core_share": cpu["total_s"] / seconds,
        # Ticks are coarse: below zero means zero.
        "core_share_of_others": max(0.0, core["busy_s"] - cpu["total_s"]) / seconds,
        "core_share_stolen": core["stolen_s"] / seconds,
        "threads_ended": cpu["threads_ended"],
        **{name: client[name] for name in ("p50_us", "p99_us", "p999_us") if name in client},
        "errors": sum(client[kind] for kind in ERROR_KINDS),
        "memory": bytes_used,
        "resident": bytes_used["rss"],
        "client": client,
    }

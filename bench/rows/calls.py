"""System calls per request, counted by the kernel (`perf stat`) in rounds of their own, since counting slows everything down.

Where perf is missing or may not count, strace does, which slows the proxy down so much that fewer requests are ready at once
and so more calls are made per request.
"""

import os
import re
import select
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager

from harness.accounting import process_tree
from harness.contenders import NAMES
from harness.loads import WRK
from harness.measure import MeasurementFailed, RequestCounter

from .closed import duration, no_targets
from .figures import bars, measured_names, medians
from .row import Case, Row
from .stage import staged

CONNECTIONS = (64, 512)
WINDOW_S = 1.0
OUTPUT, ORDERS, ANSWERS = "calls", "orders", "answers"
STOP_TIMEOUT_S = 10.0
TOTAL = "raw_syscalls:sys_enter"
EACH = ("read", "write", "readv", "writev", "recvfrom", "sendto", "recvmsg", "sendmsg", "epoll_wait", "epoll_pwait",
        "epoll_pwait2", "epoll_ctl", "io_uring_enter", "splice", "accept4", "connect", "close", "shutdown", "setsockopt",
        "getsockopt", "getsockname", "ioctl", "fcntl", "mmap", "munmap", "futex", "timerfd_settime", "clock_gettime", "madvise")
SHOWN_MAX = 6
# Less than this per request is left out of the table.
SHOWN_LEAST = 0.005
STRACE_LINE = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", re.M)


def read_perf(text):
    """{call: count} from `perf stat -x,`."""
    counts = {}
    for line in text.splitlines():
        fields = line.split(",")
        if len(fields) > 2 and fields[0].isdigit():
            name = "total" if fields[2] == TOTAL else fields[2].removeprefix("syscalls:sys_enter_")
            counts[name] = int(fields[0])
    return counts


def read_strace(text):
    """{call: count} from the table of `strace -c`."""
    counts = {name: int(count) for count, name in STRACE_LINE.findall(text) if name != "total"}
    return counts | {"total": sum(counts.values())} if counts else {}


def _perf(processes, folder):
    events = ",".join([TOTAL, *(f"syscalls:sys_enter_{name}" for name in EACH)])
    return ["perf", "stat", "-x,", "-e", events, "-p", ",".join(map(str, processes)), "-o", str(folder / OUTPUT),
            "--delay=-1", "--control", f"fifo:{folder / ORDERS},{folder / ANSWERS}"]


def _strace(processes, folder):
    return ["strace", "-c", "-f", "-o", str(folder / OUTPUT), *(part for each in processes for part in ("-p", str(each)))]


def _perf_counts():
    """Whether perf is there and may count system calls."""
    if shutil.which("perf") is None:
        return False
    tried = subprocess.run(["perf", "stat", "-x,", "-e", TOTAL, "true"], capture_output=True, text=True, check=False)
    return tried.returncode == 0 and bool(read_perf(tried.stderr))


def _prepare(_bench, _contenders):
    if _perf_counts():
        return {"counter": "perf stat"}
    return {"counter": "strace -c" if shutil.which("strace") else None}


@contextmanager
def _perf_counting(processes, folder):
    """Counts exactly while the block runs: perf is told when, and says that it does."""
    for name in (ORDERS, ANSWERS):
        os.mkfifo(folder / name)
    # Both ends, so that neither open waits for perf.
    orders, answers = (os.open(folder / name, os.O_RDWR) for name in (ORDERS, ANSWERS))
    with subprocess.Popen(_perf(processes, folder), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        try:
            _order(orders, answers, b"enable\n")
            yield
            _order(orders, answers, b"disable\n")
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(STOP_TIMEOUT_S)
            os.close(orders)
            os.close(answers)


def _order(orders, answers, order):
    os.write(orders, order)
    if not select.select([answers], [], [], STOP_TIMEOUT_S)[0]:
        raise MeasurementFailed("perf does not answer")
    os.read(answers, 64)


@contextmanager
def _strace_counting(processes, folder):
    """Counts from a little before the block to a little after it."""
    with subprocess.Popen(_strace(processes, folder), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE) as process:
        try:
            # "Process 1234 attached"
            process.stderr.readline()
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=STOP_TIMEOUT_S)


def _measured(connections, options):
    def measure(bench, contender, prepared):
        if prepared["counter"] is None:
            raise MeasurementFailed("neither perf nor strace can count system calls here")
        with staged(bench, contender, connections) as stage:
            generator = bench.running.start(WRK.command(options, stage.setting, 128), options.load_core,
                                            stage.setting.folder / "load.log")
            try:
                return _count(bench, stage, prepared)
            finally:
                bench.running.stop(generator)

    return measure


def _count(bench, stage, prepared):
    counter = RequestCounter(stage.setting.upstream_ports[-1])
    folder = stage.setting.folder
    counting, read = COUNTERS[prepared["counter"]]
    try:
        counter.read()
        time.sleep(bench.options.warmup_seconds)
        with counting(process_tree(stage.proxy.pid), folder):
            before = counter.read()
            time.sleep(WINDOW_S)
            requests = counter.read() - before
    finally:
        counter.close()
    counts = read((folder / OUTPUT).read_text())
    if not counts or requests <= 0:
        raise MeasurementFailed(f"{prepared['counter']} counted nothing")
    per_request = {name: count / requests for name, count in counts.items() if count}
    return {"total_per_request": per_request.pop("total"), "per_request": per_request, "requests": requests}


COUNTERS = {"perf stat": (_perf_counting, read_perf), "strace -c": (_strace_counting, read_strace)}


def _case_name(connections):
    return f"{connections} connections: system calls per request"


def _cases(options):
    return tuple(Case(_case_name(each), _measured(each, options), duration(options)) for each in CONNECTIONS)


def _table(case):
    yield f"Counted by {case.get('prepared', {}).get('counter')}, apart from the timed rounds."
    yield ""
    yield "| contender | system calls per request | of which |"
    yield "| --- | ---: | --- |"
    for name in measured_names([case], NAMES):
        figures = next(each[name] for each in case["rounds"] if "per_request" in each.get(name, {}))
        most = sorted(figures["per_request"].items(), key=lambda item: -item[1])[:SHOWN_MAX]
        shown = [(call, count) for call, count in most if count >= SHOWN_LEAST]
        shown.append(("others", figures["total_per_request"] - sum(count for _, count in shown)))
        parts = ", ".join(f"{call} {count:.2f}" for call, count in shown if count >= SHOWN_LEAST)
        yield f"| {name} | **{figures['total_per_request']:.2f}** | {parts} |"


def _said(figures):
    return f"{figures['total_per_request']:.2f} system calls per request"


def _charts(results):
    cases = [(each, results.case("calls", _case_name(each))) for each in CONNECTIONS]
    names = measured_names([case for _, case in cases], NAMES)
    yield bars("system-calls", "System calls per request", "System calls per request", names,
               [(f"{each} connections", medians(case, names, "total_per_request")) for each, case in cases])


CALLS = Row("calls", "System calls", _cases, no_targets, _table, _said, charts=_charts, prepare=_prepare, rounds_max=1)

"""The Ringway that is besieged, and what can be seen of it from outside."""

import json
import os
import signal
import subprocess
import urllib.request
from pathlib import Path

from harness.accounting import CpuTime
from harness.contenders import PROGRAMS
from hostile.main import wait_until_ready

BESIEGER = str(PROGRAMS / "examples" / "besieger")
ALL_CORES = ",".join(map(str, sorted(os.sched_getaffinity(0))))
# Its own drain is shorter.
END_TIMEOUT_S = 10
# Of what a besieger tells: its counts and its first faults.
LINE_BYTES_MAX = 64 * 1024


class Ringway:
    """A running Ringway; what it wrote is in its log."""

    def __init__(self, running, folder, engine, port, admin_port, cores, rest):
        """`cores`: those that it may use, a worker for each; `rest`: what its configuration says beyond its listeners."""
        self.port, self._admin_port = port, admin_port
        configuration = folder / "ringway.toml"
        workers = len(cores.split(","))
        configuration.write_text(f"""\
engine = "{engine}"
cores = {workers}

[listen]
http = "127.0.0.1:{port}"

[admin]
listen = "127.0.0.1:{admin_port}"

[drain]
timeout_ms = 2000
{rest}""")
        self._running, self._log = running, folder / "ringway.log"
        self.process = running.start([str(PROGRAMS / "ringway"), "run", "-c", str(configuration)], cores, self._log)
        wait_until_ready(self.process, "ringway", port)
        self._proc = Path(f"/proc/{self.process.pid}")

    def descriptors(self):
        return len(list((self._proc / "fd").iterdir()))

    def threads(self):
        return len(list((self._proc / "task").iterdir()))

    def resident(self):
        """Bytes now, and at most since the start."""
        fields = dict(line.split(":", 1) for line in (self._proc / "status").read_text().splitlines())
        return tuple(int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))

    def metric(self, name):
        """A count (its labels as they stand on the page), or the sum of a gauge over its labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._admin_port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        values = [int(line.rpartition(" ")[2]) for line in text.splitlines()
                  if line.startswith((f"ringway_{name} ", f"ringway_{name}{{"))]
        if not values:
            raise OSError(f"there is no metric {name}")
        return sum(values)

    def cpu(self):
        return CpuTime.read([self.process.pid])

    def end(self):
        """Ends it; what is wrong with its end, as lines."""
        faults = []
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                faults.append(f"it did not end within {END_TIMEOUT_S} s of SIGTERM")
        else:
            faults.append(f"it ended by itself with status {self.process.returncode}")
        if not faults and self.process.returncode != 0:
            faults.append(f"it ended with status {self.process.returncode}")
        self._running.stop(self.process)
        panics = [line for line in self._log.read_text(errors="replace").splitlines() if "panicked" in line]
        return faults + panics[:5]


def last_told(process):
    """What a besieger said last of its counts and faults."""
    with open(process.output_path, "rb") as file:
        file.seek(max(file.seek(0, os.SEEK_END) - LINE_BYTES_MAX, 0))
        lines = file.read().splitlines()
    for line in reversed(lines):
        try:
            return json.loads(line)
        except ValueError:
            continue  # It is cut off, or a complaint.
    return {"counts": {}, "faults": []}


def ended(running, process):
    """Asks a besieger to end; what it said last."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            pass
    running.stop(process)
    return last_told(process)


def added(all_counts):
    """The sums of several counts by name."""
    sums = {}
    for counts in all_counts:
        for name, count in counts.items():
            sums[name] = sums.get(name, 0) + count
    return sums


def mebibytes(size):
    return f"{size / 2**20:.1f} MiB"

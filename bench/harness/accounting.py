"""What a proxy costs, read from /proc: CPU time of all its threads and worker processes, and its memory."""

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def process_tree(root):
    """The process and all its descendants (nginx and HAProxy may fork their worker)."""
    children = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat_fields(entry / "stat")):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    tree, waiting = [], [root]
    while waiting:
        process = waiting.pop()
        tree.append(process)
        waiting += children.get(process, [])
    return tree


@dataclass(frozen=True)
class CpuTime:
    """Readings of the counters of a process tree; only differences between two of them mean anything."""

    nanoseconds_by_thread: dict[int, int]
    user_ticks: int
    system_ticks: int

    @classmethod
    def read(cls, processes):
        threads, user, system = {}, 0, 0
        for process in processes:
            for schedstat in (PROC / str(process) / "task").glob("*/schedstat"):
                try:
                    threads[int(schedstat.parent.name)] = int(schedstat.read_text().split()[0])
                except OSError:
                    continue  # The thread ended between the listing and the reading.
            if fields := _stat_fields(PROC / str(process) / "stat"):
                user += int(fields[11])
                system += int(fields[12])
        return cls(threads, user, system)

    def since(self, earlier):
        """Seconds of CPU in all, in user and in system mode.

        The total is exact (schedstat counts nanoseconds). utime and stime come from ticks of 10 ms, so only
        their proportion is used, over a window of hundreds of ticks.
        """
        before = earlier.nanoseconds_by_thread
        threads = [(now - before.get(thread, 0)) / 1e9 for thread, now in self.nanoseconds_by_thread.items()]
        total = sum(threads)
        user_ticks = self.user_ticks - earlier.user_ticks
        ticks = user_ticks + self.system_ticks - earlier.system_ticks
        user = total * user_ticks / ticks if ticks else 0.0
        ended = len(before.keys() - self.nanoseconds_by_thread.keys())
        return {"total_s": total, "user_s": user, "system_s": total - user, "threads_ended": ended,
                "busiest_thread_s": max(threads, default=0.0)}


def memory(processes):
    """Bytes, summed over the processes: a page that two of them share counts twice in `rss`, never in `pss`."""
    wanted = {"Rss": "rss", "Pss": "pss", "Anonymous": "anonymous", "Private_Dirty": "private_dirty"}
    sums = dict.fromkeys(wanted.values(), 0)
    for process in processes:
        for line in (PROC / str(process) / "smaps_rollup").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in wanted:
                sums[wanted[name]] += int(value.split()[0]) * 1024
    return sums


@dataclass(frozen=True)
class CoreTime:
    """Ticks of one core: how long it worked for anybody, of that in softirq, and how long the hypervisor had it."""

    busy: int
    softirq: int
    stolen: int

    @classmethod
    def read(cls, core):
        for line in (PROC / "stat").read_text().splitlines():
            name, *numbers = line.split()
            if name == f"cpu{core}":
                user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, numbers[:8])
                return cls(user + nice + system + irq + softirq, softirq, steal)
        raise OSError(f"/proc/stat knows no core {core}")

    def since(self, earlier):
        return {"busy_s": (self.busy - earlier.busy) / TICKS_PER_SECOND,
                "softirq_s": (self.softirq - earlier.softirq) / TICKS_PER_SECOND,
                "stolen_s": (self.stolen - earlier.stolen) / TICKS_PER_SECOND}


def _stat_fields(path):
    """The fields after the command's name, which may itself hold spaces; the first is the state."""
    try:
        return path.read_text().rpartition(")")[2].split()
    except OSError:
        return None

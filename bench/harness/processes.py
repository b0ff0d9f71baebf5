"""Child processes: pinned to a core, each in a group of its own, all killed at the end whatever happens."""

import os
import signal
import subprocess
import time

STOP_TIMEOUT_S = 2.0
TERMINATION = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
OUTPUT_BYTES_SHOWN_MAX = 2000


class Processes:
    """Owns everything that it starts; leaving the `with` block kills what still runs."""

    def __init__(self):
        self._running = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # A second Ctrl-C must not leave anything behind.
        for number in TERMINATION:
            signal.signal(number, signal.SIG_IGN)
        for process in list(self._running):
            self._kill_group(process)

    def start(self, command, core, output_path):
        """Starts `command` on `core`, with its output appended to a file."""
        pinned = ["taskset", "-c", str(core), *command]
        with open(output_path, "ab") as output:
            process = subprocess.Popen(pinned, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                       start_new_session=True)
        process.output_path = output_path
        self._running.append(process)
        return process

    def stop(self, process):
        """Asks the process to end, then kills what is left of its group."""
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                pass
        self._kill_group(process)

    def _kill_group(self, process):
        # The group outlives its leader: the leader's id stays taken while any worker child lives.
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        if process in self._running:
            self._running.remove(process)


def output_of(process):
    """The end of what a process wrote, for messages of failure."""
    with open(process.output_path, "rb") as file:
        return file.read()[-OUTPUT_BYTES_SHOWN_MAX:].decode(errors="replace").strip()


def raise_on_termination():
    """Makes every request to end unwind as Ctrl-C does, so that the `with` blocks clean up."""

    def interrupt(number, _frame):
        raise KeyboardInterrupt(signal.Signals(number).name)

    for number in TERMINATION:
        signal.signal(number, interrupt)


def wait_until(condition, timeout_s, interval_s=0.01):
    """Polls; whether the condition came true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval_s)
    return True

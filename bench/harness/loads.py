"""What sends the requests: how it is called, and what it says afterwards."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from .contenders import PROGRAMS

SCRIPT = Path(__file__).with_name("load.lua")
# The load goes on after the window while memory is read.
TAIL_SECONDS = 0.5
TIMEOUT_S = 30
ERROR_KINDS = ("connect_errors", "read_errors", "write_errors", "timeouts", "status_errors")
TESTER_FIGURES = "load.json"


class LoadFailed(Exception):
    """The load said nothing that can be read."""


@dataclass(frozen=True)
class Load:
    """`command(options, setting, body)`; `figures(setting, output)`, with the names of wrk's script."""

    name: str
    command: Callable
    figures: Callable


def _wrk(options, setting, body):
    seconds = math.ceil(options.warmup_seconds + options.seconds + TAIL_SECONDS)
    return ["wrk", "--threads", "1", "--connections", str(setting.connections), "--duration", f"{seconds}s",
            "--timeout", f"{TIMEOUT_S}s", "--latency", "--script", str(SCRIPT),
            f"http://127.0.0.1:{setting.port}", "--", str(body), str(options.keys)]


def _wrk_figures(_setting, output):
    # Of several loads in one folder the last one's.
    for line in reversed(output.splitlines()):
        if line.startswith("FIGURES "):
            return json.loads(line.removeprefix("FIGURES "))
    raise LoadFailed(f"wrk gave no figures: {output}")


WRK = Load("wrk", _wrk, _wrk_figures)


def tester(*more, name="ringway load"):
    """The project's own load tester: one thread, and `more` arguments."""

    def command(options, setting, body):
        return [str(PROGRAMS / "ringway"), "load", f"http://127.0.0.1:{setting.port}/{body}/key-{{key}}",
                "--threads", "1", "--connections", str(setting.connections), "--keys", str(options.keys),
                "--distribution", "sequential", "--warm-up", f"{options.warmup_seconds * 1000:.0f}ms",
                "--duration", f"{(options.seconds + TAIL_SECONDS) * 1000:.0f}ms", "--timeout", f"{TIMEOUT_S}s",
                "--quiet", "--json", str(setting.folder / TESTER_FIGURES), *more]

    return Load(name, command, _tester_figures)


def _tester_figures(setting, output):
    try:
        said = json.loads((setting.folder / TESTER_FIGURES).read_text())
    except (OSError, ValueError) as error:
        raise LoadFailed(f"the load tester gave no figures ({error}): {output}") from error
    return tester_figures(said)


def tester_figures(said):
    """Of one JSON line of the load tester what the tables need."""
    latency = said["latency"]
    if latency is None:
        raise LoadFailed(f"no request was answered: {said['failures']}")
    counts = said["requests"]
    return {
        "requests": counts["answered"],
        "rate": said["answers_per_second"],
        "status_errors": counts["refused"],
        **dict.fromkeys(("connect_errors", "read_errors", "write_errors"), 0),
        "timeouts": counts["failed"],
        # Too few answers for a percentile: the slowest stands for it.
        **{f"{name}_us": latency[f"{name}_us"] or latency["max_us"] for name in ("p50", "p99", "p999")},
        "max_us": latency["max_us"],
        "failures": said["failures"],
        "verdicts": [verdict["kind"] for verdict in said["verdicts"]],
    }

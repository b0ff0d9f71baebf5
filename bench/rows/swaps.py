"""A thousand new snapshots a second under load.

Control calls cannot be made so often: each is written to disk before it is answered. `bench/swaps.rs` runs one core of the data
plane, publishes snapshots that differ in a replica, and says how many there were. In one case that replica does not serve, so
that nothing but the swap itself is seen; in the other it does, and its connections end whenever it goes.
"""

import re
from dataclasses import dataclass, replace

from harness import report
from harness.contenders import PROGRAMS, RINGWAYS
from harness.measure import MeasurementFailed, measure_load
from harness.processes import output_of

from .closed import SMALL_BYTES, duration, said
from .figures import Spread, Target, alone, medians, no_error, ratios_between
from .row import RINGWAY_ONLY, Case, Row
from .stage import staged

CONNECTIONS = 64
PER_SECOND = 1_000
# Of the rate that was asked for.
REACHED_AT_LEAST = 0.95 * PER_SECOND
CPU_AT_MOST = 1.05
TOLD = re.compile(r"^PUBLISHED (\d+) SECONDS ([\d.]+)$", re.M)


@dataclass(frozen=True)
class Swaps:
    name: str
    per_second: int
    # See bench/swaps.rs.
    who: str


STILL = Swaps("no new snapshot", 0, "waiting")
SWAPPED = Swaps(f"{PER_SECOND:,} snapshots a second", PER_SECOND, "waiting")
MOVED = Swaps(f"{PER_SECOND:,} snapshots a second, a serving replica comes and goes", PER_SECOND, "serving")


def swapping(contender, swaps):
    """The data plane in a program that swaps its snapshots, in the contender's place."""
    engine = contender.name.removeprefix("ringway-")
    program = str(PROGRAMS / "examples" / "swaps")

    def command(setting):
        return [program, engine, f"127.0.0.1:{setting.port}", str(swaps.per_second), swaps.who,
                *(f"127.0.0.1:{port}" for port in setting.upstream_ports)]

    return replace(contender, program=program, command=command)


def rate_told(output):
    """Publications a second, over the whole time."""
    told = TOLD.findall(output)
    if not told:
        raise MeasurementFailed(f"nothing was said of publications: {output}")
    count, seconds = told[-1]
    return int(count) / float(seconds)


def publication_us(figures, rate):
    """CPU time of all other threads than the data plane's for each snapshot: compiling it, and publishing."""
    others = figures["cpu_us_per_request"] - figures["busiest_thread_us_per_request"]
    return others * figures["requests_per_s"] / rate


def _case(swaps, options):
    def measure(bench, contender, _prepared):
        with staged(bench, swapping(contender, swaps), CONNECTIONS) as stage:
            figures = measure_load(bench.running, stage.proxy, bench.options, stage.setting, SMALL_BYTES, bench.softirq_apart)
            rate = rate_told(output_of(stage.proxy)) if swaps.per_second else 0.0
        return figures | {"published_per_s": rate} | ({"publication_us": publication_us(figures, rate)} if rate else {})

    return Case(swaps.name, measure, duration(options), {"connections": CONNECTIONS})


def _cases(options):
    return tuple(_case(swaps, options) for swaps in (STILL, SWAPPED, MOVED))


def _targets(results):
    still, swapped, moved = (results.case("swaps", swaps.name) for swaps in (STILL, SWAPPED, MOVED))
    yield alone("snapshots published a second, under load", "at least", REACHED_AT_LEAST, swapped, "published_per_s",
                "{:,.0f}")
    # The data plane's thread is the busiest; the other compiles and publishes, on the same core.
    yield Target("snapshots swapped: CPU time of the data plane's thread per request over that without", "at most", CPU_AT_MOST,
                 {mine: Spread.of(ratios_between(swapped, still, mine, "busiest_thread_us_per_request")) for mine in RINGWAYS})
    yield no_error("snapshots swapped: errors", swapped)
    yield no_error("snapshots swapped, a serving replica comes and goes: errors", moved)


def _table(case):
    yield from report.table(case)
    yield ""
    for name in RINGWAYS:
        mine, rate, each = (medians(case, [name], key)[0]
                            for key in ("busiest_thread_us_per_request", "published_per_s", "publication_us"))
        if mine is not None:
            yield f"- {name}: {mine:.2f} µs per request in the data plane's thread" + (
                f"; {rate:,.0f} published a second, {each:.0f} µs of CPU time each in the other" if rate else "")


SWAPS = Row("swaps", "Snapshots swapped under load", _cases, _targets, _table, said, RINGWAY_ONLY, rounds_max=3)

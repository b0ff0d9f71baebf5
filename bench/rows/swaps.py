"""A thousand new snapshots a second under load.

Control calls cannot be made so often: each is written to disk before it is answered. `bench/swaps.rs` runs one core of the data
plane, publishes snapshots that differ in a replica, and says how many there were.
"""

import re
from dataclasses import replace

from harness import report
from harness.contenders import PROGRAMS, RINGWAYS
from harness.measure import MeasurementFailed, measure_load
from harness.processes import output_of

from .closed import CPU, SMALL_BYTES, duration, said
from .figures import Spread, Target, alone, medians, no_error, ratios_between
from .row import RINGWAY_ONLY, Case, Row
from .stage import staged

CONNECTIONS = 64
PER_SECOND = 1_000
# Of the rate that was asked for.
REACHED_AT_LEAST = 0.95 * PER_SECOND
CPU_AT_MOST = 1.05
TOLD = re.compile(r"^PUBLISHED (\d+) SECONDS ([\d.]+)$", re.M)


def _case_name(per_second):
    return f"{per_second:,} snapshots a second"


def swapping(contender, per_second):
    """The data plane in a program that swaps its snapshots, in the contender's place."""
    engine = contender.name.removeprefix("ringway-")
    program = str(PROGRAMS / "examples" / "swaps")

    def command(setting):
        return [program, engine, f"127.0.0.1:{setting.port}", str(per_second),
                *(f"127.0.0.1:{port}" for port in setting.upstream_ports)]

    return replace(contender, program=program, command=command)


def rate_told(output):
    """Publications a second, over the whole time."""
    told = TOLD.findall(output)
    if not told:
        raise MeasurementFailed(f"nothing was said of publications: {output}")
    count, seconds = told[-1]
    return int(count) / float(seconds)


def _at(per_second):
    def measure(bench, contender, _prepared):
        with staged(bench, swapping(contender, per_second), CONNECTIONS) as stage:
            figures = measure_load(bench.running, stage.proxy, bench.options, stage.setting, SMALL_BYTES, bench.softirq_apart)
            rate = rate_told(output_of(stage.proxy)) if per_second else 0.0
        return figures | {"published_per_s": rate}

    return measure


def _cases(options):
    return tuple(Case(_case_name(rate), _at(rate), duration(options), {"connections": CONNECTIONS}) for rate in (0, PER_SECOND))


def _targets(results):
    still, swapped = (results.case("swaps", _case_name(rate)) for rate in (0, PER_SECOND))
    yield alone("snapshots published a second, under load", "at least", REACHED_AT_LEAST, swapped, "published_per_s",
                "{:,.0f}")
    yield no_error("snapshots swapped: errors", swapped)
    # Compiling is in it: the thread that publishes shares the core.
    yield Target("snapshots swapped: CPU time per request over that without", "at most", CPU_AT_MOST,
                 {mine: Spread.of(ratios_between(swapped, still, mine, CPU)) for mine in RINGWAYS})


def _table(case):
    yield from report.table(case)
    for name in RINGWAYS:
        if (rate := medians(case, [name], "published_per_s")[0]) is not None:
            yield f"- {name}: {rate:,.0f} published a second"


SWAPS = Row("swaps", "Snapshots swapped under load", _cases, _targets, _table, said, RINGWAY_ONLY, rounds_max=5)

"""9,900 connections, each with a request under way all the time."""

from harness import report
from harness.contenders import NAMES, RINGWAYS

from .closed import CPU, SMALL, SMALL_BYTES, case_name, closed_case, said
from .figures import Spread, Target, against_best, alone, bars, measured_names, medians, no_error, ratios_between
from .row import Row

CONNECTIONS = 9_900
COMPARED_CONNECTIONS = 512
# Thousands of connections open one after the other, and their first answers come late.
WARMUP_FACTOR = 3
CPU_AT_MOST = 1.25
RESIDENT_MIB_BELOW = 30


def _cases(options):
    warmup = options.warmup_seconds * WARMUP_FACTOR
    return (closed_case(case_name(CONNECTIONS, SMALL_BYTES), CONNECTIONS, SMALL_BYTES, options, warmup_seconds=warmup),)


def _case(results):
    return results.case("crowd", case_name(CONNECTIONS, SMALL_BYTES))


def _targets(results):
    case = _case(results)
    few = results.case(SMALL.name, case_name(COMPARED_CONNECTIONS, SMALL_BYTES))
    where = f"{CONNECTIONS:,} connections"
    yield no_error(f"{where}: errors", case)
    yield Target(f"{where}: CPU time per request over that at {COMPARED_CONNECTIONS}", "at most", CPU_AT_MOST,
                 {mine: Spread.of(ratios_between(case, few, mine, CPU)) for mine in RINGWAYS})
    yield against_best(f"{where}: p99 over the best peer's", "at most", 1.0, case, "p99_us")
    yield alone(f"{where}: RSS, MiB", "below", RESIDENT_MIB_BELOW, case, "resident", "{:.1f}", 1 / 2**20)


def _charts(results):
    case = _case(results)
    names = measured_names([case], NAMES)
    yield bars("crowd-p99", f"Slowest hundredth with {CONNECTIONS:,} connections", "p99 [ms]", ["p99"],
               [(name, medians(case, [name], "p99_us", 1e-3)) for name in names])
    yield bars("crowd-memory", f"Memory with {CONNECTIONS:,} connections", "Resident memory [MiB]", ["RSS"],
               [(name, medians(case, [name], "resident", 1 / 2**20)) for name in names])


CROWD = Row("crowd", "All connections active", _cases, _targets, report.table, said, charts=_charts)

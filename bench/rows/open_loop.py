"""An open loop: every contender gets the same requests at the same moments, and a request's latency counts from when it was due.

The rate is 70 % of what the best of the peers can do in a closed loop of the same load tester with as many connections,
measured before the first round.
"""

from harness import report
from harness.contenders import NAMES, PEERS
from harness.loads import tester
from harness.measure import measure_load

from .closed import SMALL_BYTES, duration, said
from .figures import against_best, bars, measured_names, medians, no_error
from .row import Case, Row
from .stage import staged

CONNECTIONS = 64
SHARE_OF_CAPACITY = 0.7
CASE = "at 70 % of the best peer's capacity"
PERCENTILES = (("p50", "p50_us"), ("p99", "p99_us"), ("p99.9", "p999_us"))
# The most peers that there are, for the estimate.
PREPARE_SECONDS = 5.0 * len(PEERS)


def _prepare(bench, contenders):
    """The capacity of each peer; where there is none, that of whoever is there."""
    peers = [contender for contender in contenders if contender.name in PEERS] or contenders
    capacities = {}
    for contender in peers:
        with staged(bench, contender, CONNECTIONS) as stage:
            figures = measure_load(bench.running, stage.proxy, bench.options, stage.setting, SMALL_BYTES,
                                   bench.softirq_apart, tester())
            capacities[contender.name] = figures["requests_per_s"]
    return {"capacities": capacities, "rate": round(SHARE_OF_CAPACITY * max(capacities.values()))}


def _measure(bench, contender, prepared):
    load = tester("--rate", str(prepared["rate"]))
    with staged(bench, contender, CONNECTIONS) as stage:
        return measure_load(bench.running, stage.proxy, bench.options, stage.setting, SMALL_BYTES, bench.softirq_apart, load)


def _cases(options):
    return (Case(CASE, _measure, duration(options), {"connections": CONNECTIONS, "body": SMALL_BYTES}),)


def _targets(results):
    case = results.case("open", CASE)
    yield no_error("open loop: errors", case)
    for name, key in PERCENTILES[:2]:
        yield against_best(f"open loop at 70 %: {name} over the best peer's", "at most", 1.0, case, key)


def _charts(results):
    case = results.case("open", CASE)
    names = measured_names([case], NAMES)
    yield bars("open-loop", "Latency in an open loop", "Latency since due [ms]", names,
               [(name, medians(case, names, key, 1e-3)) for name, key in PERCENTILES], "Percentile", logarithmic=True,
               subtitle=f"{CONNECTIONS} connections, {SHARE_OF_CAPACITY:.0%} of the best peer's capacity")


def _table(case):
    prepared = case.get("prepared", {})
    if "rate" in prepared:
        capacities = ", ".join(f"{name} {rate:,.0f}" for name, rate in prepared["capacities"].items())
        yield f"{prepared['rate']:,} requests/s, even arrivals. Capacities in a closed loop, requests/s: {capacities}."
        yield ""
    yield from report.table(case)


OPEN = Row("open", "Open loop", _cases, _targets, _table, said, charts=_charts, prepare=_prepare,
           prepare_seconds=PREPARE_SECONDS)

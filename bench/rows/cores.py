"""Two cores beside one: what sharing costs, and how evenly a few long connections are spread over the cores."""

import http.client
import json
import socket
from dataclasses import replace

from harness import report
from harness.contenders import RINGWAYS
from harness.loads import tester
from harness.measure import MeasurementFailed, measure_load
from harness.processes import wait_until

from .closed import CPU, SMALL_BYTES, duration, said
from .figures import Spread, Target, medians, no_error, ratios_between, values
from .row import RINGWAY_ONLY, Case, Row
from .stage import STAGE_SECONDS, staged

CONNECTIONS = 64
# Ringway, the load and the upstream share both cores; at the higher rate they use three quarters of them.
RATE_PER_CORE = 8_000
LOADED = ((1, RATE_PER_CORE), (1, 2 * RATE_PER_CORE), (2, 2 * RATE_PER_CORE))
CPU_AT_MOST = 1.05
FEW = (4, 16)
TRIALS = 25
SETTLE_TIMEOUT_S = 5.0
REQUEST = b"GET /128/key-1 HTTP/1.1\r\nHost: a\r\n\r\n"


def _case_name(cores, rate):
    return f"{cores} core{'s' if cores > 1 else ''} at {rate:,} requests/s"


def _loaded(cores, rate):
    def measure(bench, contender, _prepared):
        both = f"{bench.options.proxy_core},{bench.options.load_core}"
        options = replace(bench.options, load_core=both)
        with staged(bench, contender, CONNECTIONS, cores, both, options) as stage:
            figures = measure_load(bench.running, stage.proxy, options, stage.setting, SMALL_BYTES, bench.softirq_apart,
                                   tester("--rate", str(rate)))
        # Nobody has a core of its own here: what others had of the first one is the load's.
        return figures | {"core_share_of_others": 0.0}

    return measure


def _spread(count):
    def measure(bench, contender, _prepared):
        both = f"{bench.options.proxy_core},{bench.options.load_core}"
        with staged(bench, contender, count, 2, both) as stage:
            busiest = [_busiest(stage.setting, count) for _ in range(TRIALS)]
        return {"busiest": busiest, "busiest_share": sum(busiest) / count / TRIALS,
                "all_on_one": busiest.count(count) / TRIALS}

    return measure


def _busiest(setting, count):
    """Opens so many connections, and says how many of them the core with the most has."""
    # Those of the trial before are closed by now, or will be soon.
    _wait_for(setting, 0)
    clients = []
    try:
        for _ in range(count):
            clients.append(socket.create_connection(("127.0.0.1", setting.port)))
            clients[-1].sendall(REQUEST)
        for client in clients:
            client.recv(4096)
        _wait_for(setting, count)
        return max(_connections(setting))
    finally:
        for client in clients:
            client.close()


def _wait_for(setting, count):
    if not wait_until(lambda: sum(_connections(setting)) == count, SETTLE_TIMEOUT_S):
        raise MeasurementFailed(f"{_connections(setting)} connections on the cores in place of {count}")


def _connections(setting):
    connection = http.client.HTTPConnection("127.0.0.1", setting.admin_port, timeout=SETTLE_TIMEOUT_S)
    try:
        connection.request("GET", "/status")
        return [core["connections_open"] for core in json.load(connection.getresponse())["cores"]]
    except (OSError, http.client.HTTPException) as error:
        raise MeasurementFailed(f"no status: {error}") from error
    finally:
        connection.close()


def expected_share(count):
    """Of the busiest of two cores, where each connection goes to either by chance."""
    ways = 1
    total = 0
    for on_first in range(count + 1):
        total += ways * max(on_first, count - on_first)
        ways = ways * (count - on_first) // (on_first + 1)
    return total / 2**count / count


def _spread_name(count):
    return f"{count} long connections on two cores"


def _cases(options):
    loads = tuple(Case(_case_name(*each), _loaded(*each), duration(options), {"kind": "load"}) for each in LOADED)
    trials = STAGE_SECONDS + TRIALS * 0.05
    return loads + tuple(Case(_spread_name(count), _spread(count), trials, {"kind": "spread", "count": count}) for count in FEW)


def _targets(results):
    half, one, two = (results.case("cores", _case_name(*each)) for each in LOADED)
    # Fewer requests at once mean more waits for each: cores are compared that have as much to do.
    for compared, how in ((half, "at the same rate for each core"), (one, "at the same rate in all")):
        yield Target(f"two cores: CPU time per request over one core's, {how}", "at most", CPU_AT_MOST,
                     {mine: Spread.of(ratios_between(two, compared, mine, CPU)) for mine in RINGWAYS})
    yield no_error("two cores: errors", two)


def _table(case):
    if case["kind"] == "load":
        yield from report.table(case)
        return
    count = case["count"]
    yield "| contender | share of the busier core | by chance | all on one core |"
    yield "| --- | ---: | ---: | ---: |"
    for name in RINGWAYS:
        if values(case, name, "busiest_share"):
            share, all_on_one = (medians(case, [name], key)[0] for key in ("busiest_share", "all_on_one"))
            yield f"| {name} | {share:.0%} | {expected_share(count):.0%} | {all_on_one:.0%} of the trials |"


def _said(figures):
    if "busiest_share" in figures:
        return f"the busier core has {figures['busiest_share']:.0%}"
    return said(figures)


CORES = Row("cores", "Two cores", _cases, _targets, _table, _said, RINGWAY_ONLY, rounds_max=3)

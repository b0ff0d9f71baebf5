"""Closed loops: on each connection the next request as soon as the answer to the last one is there."""

import math
from dataclasses import replace

from harness import report
from harness.contenders import NAMES, RELAY
from harness.loads import TAIL_SECONDS, WRK
from harness.measure import measure_load

from .figures import against, against_best, alone, bars, measured_names, medians, no_error
from .row import Case, Row
from .stage import STAGE_SECONDS, staged

SMALL_BYTES = 128
BODIES_NAME = "bodies"
CONNECTIONS = (64, 512)
SIZES = {16 * 1024: "16 KiB", 1024 * 1024: "1 MiB"}
BODIES_CONNECTIONS = 64
# CPU time per request over that of nginx and of HAProxy, by connections.
PEERS_AT_MOST = {64: (0.8, 0.65), 512: (0.62, 0.56)}
RELAY_AT_MOST = 1.15
USER_US_AT_MOST = 3.0
CPU = "cpu_us_per_request"


def duration(options):
    """What one measurement takes: wrk knows whole seconds."""
    return math.ceil(options.warmup_seconds + options.seconds + TAIL_SECONDS) + STAGE_SECONDS


def closed_case(name, connections, body, options, load=WRK, warmup_seconds=None):
    if warmup_seconds is not None:
        options = replace(options, warmup_seconds=warmup_seconds)

    def measure(bench, contender, _prepared):
        with staged(bench, contender, connections) as stage:
            return measure_load(bench.running, stage.proxy, options, stage.setting, body, bench.softirq_apart, load)

    return Case(name, measure, duration(options), {"connections": connections, "body": body})


def case_name(connections, body):
    return f"{connections:,} connections, {SIZES.get(body, f'{body:,} bytes')}"


def said(figures):
    return f"{figures['requests_per_s']:,.0f} req/s, {figures[CPU]:.2f} µs CPU per request"


def _small_cases(options):
    return tuple(closed_case(case_name(each, SMALL_BYTES), each, SMALL_BYTES, options) for each in CONNECTIONS)


def _small_targets(results):
    for connections in CONNECTIONS:
        case = results.case(SMALL.name, case_name(connections, SMALL_BYTES))
        where = f"{connections} connections: CPU time per request over"
        yield against(f"{where} the relay's", "at most", RELAY_AT_MOST, case, CPU, [RELAY])
        for peer, bound in zip(("nginx", "haproxy"), PEERS_AT_MOST[connections]):
            yield against(f"{where} {peer}'s", "at most", bound, case, CPU, [peer])
        yield alone(f"{connections} connections: user time per request, µs", "at most", USER_US_AT_MOST, case,
                    "user_us_per_request")


def _bodies_cases(options):
    return tuple(closed_case(case_name(BODIES_CONNECTIONS, body), BODIES_CONNECTIONS, body, options) for body in SIZES)


def _bodies_targets(results):
    for (body, size), (sense, bound) in zip(SIZES.items(), (("at most", 1.05), ("below", 1.0))):
        case = results.case(BODIES_NAME, case_name(BODIES_CONNECTIONS, body))
        yield against(f"{size}: CPU time per request over the relay's", sense, bound, case, CPU, [RELAY])
        yield against_best(f"{size}: GB/s over the best peer's", "above", 1.0, case, "requests_per_s", max)
        yield no_error(f"{size}: errors", case)


def _asked_cases(options):
    return tuple(closed_case(case_name(connections, body), connections, body, options)
                 for body in options.bodies for connections in options.connections)


def _cpu_chart(row, stem, title, results, keys):
    cases = [results.case(row, case_name(*key)) for key in keys]
    names = measured_names(cases, NAMES)
    return bars(stem, title, "CPU time per request [µs]", names,
                [(case["name"], medians(case, names, CPU)) for case in cases])


def _small_charts(results):
    keys = [(each, SMALL_BYTES) for each in CONNECTIONS]
    yield _cpu_chart(SMALL.name, "cpu-per-request", "CPU time per request, 128-byte bodies", results, keys)


def _bodies_charts(results):
    keys = [(BODIES_CONNECTIONS, body) for body in SIZES]
    yield _cpu_chart(BODIES_NAME, "bodies-cpu", "CPU time per request, larger bodies", results, keys) | {"logarithmic": True}
    cases = [(body, results.case(BODIES_NAME, case_name(BODIES_CONNECTIONS, body))) for body in SIZES]
    names = measured_names([case for _, case in cases], NAMES)
    yield bars("bodies-throughput", "Bodies through one core", "Throughput [GB/s]", names,
               [(SIZES[body], medians(case, names, "requests_per_s", body / 1e9)) for body, case in cases])


def no_targets(_results):
    return ()


SMALL = Row("small", "CPU time per request", _small_cases, _small_targets, report.table, said, charts=_small_charts)
BODIES = Row(BODIES_NAME, "Larger bodies", _bodies_cases, _bodies_targets, report.table, said, charts=_bodies_charts)
ASKED = Row("asked", "Closed loop", _asked_cases, no_targets, report.table, said)

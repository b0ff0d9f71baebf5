"""A new client connection for each request.

Whoever closes first keeps the pair of ports for a minute. The load's connections all end at one address of one server, which
gives 28,000 pairs; but for loopback Linux uses a pair again after a second (`tcp_tw_reuse` = 2, the default), and
each measurement has ports of its own, so that none meets what an earlier one left.

Opening a connection costs the client more than it costs the server, so that on two cores the load is the limit: requests/s say
little of the contender where its `core` is well below 100 %. Requests per second of its CPU time do: what a full core would give.
"""

from harness import report
from harness.contenders import NAMES, RINGWAYS
from harness.loads import tester

from .closed import CPU, SMALL_BYTES, closed_case, said
from .figures import Spread, Target, against, bars, measured_names, medians, no_error, ratios
from .row import Row

CONNECTIONS = 64
CASE = f"{CONNECTIONS} clients, one request a connection"
RATE_AT_LEAST = 1.3
# The relay would open one to the server as well, which the others need not.
CONTENDERS = tuple(name for name in NAMES if name != "relay")


def _cases(options):
    return (closed_case(CASE, CONNECTIONS, SMALL_BYTES, options, tester("--no-keep-alive")),)


def _targets(results):
    case = results.case("fresh", CASE)
    yield Target("new connections: requests per second of CPU time over nginx's", "at least", RATE_AT_LEAST,
                 {mine: Spread.of([1 / ratio for ratio in ratios(case, mine, CPU, ["nginx"])]) for mine in RINGWAYS})
    yield against("new connections: requests/s over nginx's", "at least", RATE_AT_LEAST, case, "requests_per_s", ["nginx"])
    yield no_error("new connections: errors", case)


def _charts(results):
    case = results.case("fresh", CASE)
    yield bars("fresh-connections", "A new connection for each request", "CPU time per request [µs]", ["CPU"],
               [(name, medians(case, [name], CPU)) for name in measured_names([case], NAMES)])


FRESH = Row("fresh", "A new connection for each request", _cases, _targets, report.table, said, CONTENDERS, _charts)

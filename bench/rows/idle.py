"""What an idle connection costs in memory: opened, one request each, then silence."""

import selectors
import socket
import time

from harness.accounting import memory, process_tree
from harness.contenders import NAMES, RINGWAYS
from harness.measure import MeasurementFailed

from .figures import Spread, Target, bars, measured_names, medians, values
from .row import Case, Row
from .stage import STAGE_SECONDS, staged

CONNECTIONS = 9_900
# Long enough for idle connections to servers to be closed and for allocators to give back what they do.
SILENCE_S = 6.0
OPENING_S = 3.0
ANSWER_TIMEOUT_S = 30.0
ANSWER_BYTES_MAX = 4096
KIB = 1024
BYTES_AT_MOST = {"ringway-epoll": 1 * KIB, "ringway-io_uring": 2 * KIB}
REQUEST = b"GET /128/key-1 HTTP/1.1\r\nHost: a\r\n\r\n"
CASE = f"{CONNECTIONS:,} connections, silent for {SILENCE_S:g} s"


def _measure(bench, contender, _prepared):
    with staged(bench, contender, CONNECTIONS) as stage:
        clients = []
        try:
            return _grown(stage, clients)
        except OSError as error:
            raise MeasurementFailed(f"with {len(clients):,} connections open: {error}") from error
        finally:
            for client in clients:
                client.close()


def _grown(stage, clients):
    """How much memory grew with each step. `clients` takes what is opened."""

    def read():
        return memory(process_tree(stage.proxy.pid))

    before = read()
    for _ in range(CONNECTIONS):
        clients.append(socket.create_connection(("127.0.0.1", stage.setting.port), ANSWER_TIMEOUT_S))
    for client in clients:
        client.sendall(REQUEST)
    refused = sum(not client.recv(ANSWER_BYTES_MAX).startswith(b"HTTP/1.1 200") for client in clients)
    served = read()
    time.sleep(SILENCE_S)
    idle = read()
    return {"served_bytes": _each(served, before), "idle_bytes": _each(idle, before), "resident": idle["rss"],
            "memory": idle, "errors": refused + _closed(clients)}


def _each(later, before):
    return (later["anonymous"] - before["anonymous"]) / CONNECTIONS


def _closed(clients):
    """How many there is something to read from: their proxy has given them up."""
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client, selectors.EVENT_READ)
        return len(selector.select(0))


def _cases(_options):
    return (Case(CASE, _measure, SILENCE_S + OPENING_S + STAGE_SECONDS, {"connections": CONNECTIONS}),)


def _targets(results):
    case = results.case("idle", CASE)
    for mine in RINGWAYS:
        yield Target(f"{CONNECTIONS:,} idle connections: anonymous memory each, bytes", "at most", BYTES_AT_MOST[mine],
                     {mine: Spread.of(values(case, mine, "idle_bytes"))}, "{:,.0f}")


def _table(case):
    yield "| contender | after the answers, bytes each | in silence, bytes each | RSS MiB | refused or closed |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for name in measured_names([case], NAMES):
        served, idle, resident = (medians(case, [name], key)[0] for key in ("served_bytes", "idle_bytes", "resident"))
        errors = sum(values(case, name, "errors"))
        yield f"| {name} | {served:,.0f} | **{idle:,.0f}** | {resident / 2**20:.1f} | {errors:,} |"


def _said(figures):
    return f"{figures['idle_bytes']:,.0f} bytes per idle connection, {figures['errors']} refused or closed"


def _charts(results):
    case = results.case("idle", CASE)
    yield bars("idle-memory", f"Memory of an idle connection ({CONNECTIONS:,} open)", "Anonymous memory [bytes]", ["bytes"],
               [(name, medians(case, [name], "idle_bytes")) for name in measured_names([case], NAMES)])


IDLE = Row("idle", "Memory of idle connections", _cases, _targets, _table, _said, charts=_charts, rounds_max=2)

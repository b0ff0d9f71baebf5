"""Thousands of connections on which nearly nothing happens, while others are served: what do those lose?"""

import statistics
import time

from harness.accounting import CpuTime
from harness.contenders import Setting
from harness.measure import UPSTREAM_ADDRESSES, measure_load, start_upstream, wait_until_ready
from harness.processes import wait_until

from .besieged import BESIEGER, Ringway, added, ended, last_told, mebibytes

# Of the well-behaved traffic, by median.
LOSS_MAX = 0.1
# A block of 32 KiB that the client does not take, an exchange of 3 KiB, two connections of the engine's.
BYTES_PER_CONNECTION_MAX = 40 * 1024
BODY_BYTES = 128
# Longer than Ringway waits for a client that does not read: `client.write_ms`.
UNREAD_MS = 35_000
OPEN_TIMEOUT_S = 30
LEAVE_TIMEOUT_S = 90
# Listeners, logs, connections of the upstream's that were about to end.
DESCRIPTORS_SPARE = 64


def besiege(running, engine, options, folder, ports, say):
    setting = Setting(folder=folder, port=ports.take(), admin_port=ports.take(), connections=options.load_connections,
                      upstream_ports=tuple(ports.take() for _ in range(UPSTREAM_ADDRESSES)))
    upstream = start_upstream(running, options, setting)
    ringway = Ringway(running, folder, engine, setting.port, setting.admin_port, str(options.proxy_core), f"""
[[service]]
name = "web"
key = "uri"
pool = {{ connections_max = {options.pool}, idle_max = {min(options.pool, 1024)} }}
replicas = {{ provider = "static", addresses = [{", ".join(f'"127.0.0.1:{port}"' for port in setting.upstream_ports)}] }}
""")
    wait_until_ready(ringway.process, "ringway", setting.port, f"/{BODY_BYTES}/key-1")
    found = {"engine": engine, "start": ringway.resident()[0], "descriptors": ringway.descriptors(), "rounds": []}
    for number in range(options.rounds):
        each = _round(running, ringway, options, setting, number, found["descriptors"])
        found["rounds"].append(each)
        say(f"{engine}, round {number + 1}/{options.rounds}: {each['calm']['requests_per_s']:,.0f} req/s without, "
            f"{each['displaced']['requests_per_s']:,.0f} with the core shared, {each['besieged']['requests_per_s']:,.0f} with {each['open']:,} drippers, which took "
            f"{each['drippers_share']:.1%} of a core; peak {mebibytes(each['peak'])}")
    found["end"], found["peak"] = ringway.resident()
    found["unread"] = ringway.metric('timeouts_total{phase="client_write"}')
    found["endings"] = added(each["endings"] for each in found["rounds"])
    found["faults"] = faults(found, options.connections) + ringway.end()
    running.stop(upstream)
    return found


def _round(running, ringway, options, setting, number, descriptors_before):
    calm = measure_load(running, ringway.process, options, setting, BODY_BYTES, options.softirq_apart)
    seed = str(options.seed + number)
    drippers = running.start([BESIEGER, "drip", f"127.0.0.1:{ringway.port}", "--connections", str(options.connections),
                              "--kinds", options.kinds, "--interval-ms", str(options.interval_ms), "--unread-ms", str(UNREAD_MS), "--seed", seed],
                             options.load_core, setting.folder / f"drip-{number}.log")
    wait_until(lambda: _open(drippers) >= 0.95 * options.connections, OPEN_TIMEOUT_S, 0.5)
    time.sleep(options.settle)
    before, began = CpuTime.read([drippers.pid]), time.monotonic()
    besieged = measure_load(running, ringway.process, options, setting, BODY_BYTES, options.softirq_apart)
    share = CpuTime.read([drippers.pid]).since(before)["total_s"] / (time.monotonic() - began)
    still_open, held, peak = _open(drippers), ringway.descriptors(), ringway.resident()[1]
    told = ended(running, drippers)["counts"]
    left = wait_until(lambda: ringway.descriptors() <= descriptors_before + DESCRIPTORS_SPARE, LEAVE_TIMEOUT_S, 0.5)
    endings = {name: count for name, count in told.items() if ": " in name or name == "not connected"}
    displaced = _displaced(running, ringway, options, setting, share)
    return {"calm": calm, "displaced": displaced, "besieged": besieged, "open": still_open, "held": held, "drippers_share": share,
            "peak": peak, "after": ringway.resident()[0], "left": left, "endings": endings}


def _displaced(running, ringway, options, setting, share):
    """The load without drippers, while another process takes what they took of the core that the load runs on."""
    worker = running.start([BESIEGER, "work", "--share", f"{share:.4f}"], options.load_core, setting.folder / "work.log")
    load = measure_load(running, ringway.process, options, setting, BODY_BYTES, options.softirq_apart)
    running.stop(worker)
    return load


def _open(drippers):
    return last_told(drippers)["counts"].get("open", 0)


def ratio(rounds, figure, to="displaced"):
    """The median of what the figure is with the drippers over what it is without, round by round."""
    return statistics.median(each["besieged"][figure] / each[to][figure] for each in rounds)


def drippers_cost(rounds):
    """What the drippers took of Ringway's core, by median: its CPU beyond what the well-behaved requests cost without them."""
    return statistics.median(
        each["besieged"]["core_share"]
        - each["displaced"]["cpu_us_per_request"] / 1e6 * each["besieged"]["requests_per_s"] for each in rounds)


def faults(found, connections):
    """What is not as it should be, as lines."""
    rounds, lines = found["rounds"], []
    kept = ratio(rounds, "requests_per_s")
    if kept < 1 - LOSS_MAX:
        lines.append(f"the well-behaved traffic lost {1 - kept:.1%} of its requests per second, more than {LOSS_MAX:.0%}")
    if errors := sum(each["besieged"]["errors"] for each in rounds):
        lines.append(f"{errors} errors of the well-behaved traffic")
    grown = found["peak"] - found["start"]
    if grown > BYTES_PER_CONNECTION_MAX * connections:
        lines.append(f"memory grew by {grown / connections / 1024:.0f} KiB a connection, more than "
                     f"{BYTES_PER_CONNECTION_MAX // 1024}")
    if few := [each["open"] for each in rounds if each["open"] < 0.9 * connections]:
        lines.append(f"only {min(few):,} of {connections:,} drippers were connected")
    if not all(each["left"] for each in rounds):
        lines.append(f"descriptors were still open {LEAVE_TIMEOUT_S} s after the drippers had left")
    return lines


KINDS = {"head": "heads", "body": "bodies by length", "chunks": "bodies in chunks", "unread": "unread answers of 1 MiB",
         "silent": "silence"}
COLUMNS = "| engine | | requests/s | p99 | CPU per request | errors |\n| --- | --- | --- | --- | --- | --- |"


def markdown(results, options):
    kinds = ", ".join(KINDS[kind] for kind in options.kinds.split(","))
    lines = [f"{options.connections:,} drippers ({kinds}; in equal parts), a byte every "
             f"{options.interval_ms / 1000:g} s; {options.load_connections} well-behaved connections of wrk; {options.rounds} rounds without and "
             f"with, interleaved, {options.seconds:g} s each; Ringway on core {options.proxy_core} with one worker, all else on core "
             f"{options.load_core}; time-outs as they come, {options.pool:,} connections to each of three servers. "
             "Medians; CPU per request is all that Ringway took, drippers included, over the requests that its servers counted.", "", COLUMNS]
    for found in results:
        lines += [_row(found["engine"], name, [each[part] for each in found["rounds"]])
                  for name, part in (("without", "calm"), ("without, the core shared", "displaced"), ("with", "besieged"))]
        lines += [_ratios(found["rounds"], name, to) for name, to in (("without, the core shared", "displaced"), ("without", "calm"))]
    for found in results:
        peaks = ", ".join(mebibytes(each["peak"]) for each in found["rounds"])
        shares = [each["drippers_share"] for each in found["rounds"]]
        lines += ["", f"**{found['engine']}**: RSS {mebibytes(found['start'])} at the start, peak {mebibytes(found['peak'])} "
                  f"({(found['peak'] - found['start']) / options.connections / 1024:.1f} KiB a dripper; after each round {peaks}), {mebibytes(found['end'])} "
                  f"at the end; descriptors held {max(each['held'] for each in found['rounds']):,}; drippers open {min(each['open'] for each in found['rounds']):,} "
                  f"at least; of Ringway's core they took {drippers_cost(found['rounds']):.1%}, of the other one, where they run, {statistics.median(shares):.1%}.", "",
                  "Ended: " + "; ".join(f"{name} {count:,}" for name, count in sorted(found["endings"].items()))
                  + f"; by Ringway's own count, answers not read {found['unread']:,}."]
    return "\n".join(lines)


def _ratios(rounds, name, to):
    rates = [each["besieged"]["requests_per_s"] / each[to]["requests_per_s"] for each in rounds]
    return (f"| | with, over {name} | {ratio(rounds, 'requests_per_s', to):.3f} ({min(rates):.3f}–{max(rates):.3f}) | "
            f"{ratio(rounds, 'p99_us', to):.2f} | {ratio(rounds, 'cpu_us_per_request', to):.3f} | |")


def _row(engine, name, figures):
    def median(key):
        return statistics.median(each[key] for each in figures)

    return (f"| {engine} | {name} | {median('requests_per_s'):,.0f} | {median('p99_us') / 1000:.2f} ms | "
            f"{median('cpu_us_per_request'):.2f} µs | {sum(each['errors'] for each in figures)} |")

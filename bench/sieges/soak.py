"""Hostile clients and hostile servers, cycle after cycle: does anything stay behind?"""

import time

from .besieged import ALL_CORES, BESIEGER, Ringway, added, ended, last_told, mebibytes

HOSTILE_SERVERS = 3
# The calm: first what is open has to end, then Ringway is looked at.
LOOK_S = 2.0
IDLE_SHARE_MAX = 0.03
RESIDENT_GROWTH_MAX = 0.05
# The cycle from which on memory has to be flat.
FIRST_FLAT = 3
# What Ringway itself says is under way.
UNDER_WAY = ("connections_open", "exchanges_open", "upstream_open", "replica_in_flight")
# Between two lines of progress.
PROGRESS_S = 20


def configuration(honest, hostile):
    timeouts = "timeouts = { connect_ms = 500, first_byte_ms = 1000, between_bytes_ms = 1000, queue_ms = 500, tunnel_ms = 1000 }"
    return f"""
[client]
header_ms = 1000
keep_alive_ms = 1000
body_ms = 1000
body_rate_window_ms = 1000
write_ms = 1000

[[service]]
name = "good"
match = {{ path = "/good/" }}
key = "path"
{timeouts}
pool = {{ idle_ms = 1000 }}
replicas = {{ provider = "static", addresses = ["127.0.0.1:{honest}"] }}

[[service]]
name = "bad"
key = "random"
{timeouts}
pool = {{ idle_ms = 1000 }}
replicas = {{ provider = "static", addresses = [{", ".join(f'"127.0.0.1:{port}"' for port in hostile)}] }}
"""


def besiege(running, engine, options, folder, ports, say):
    honest, hostile = ports.take(), [ports.take() for _ in range(HOSTILE_SERVERS)]
    servers = running.start([BESIEGER, "misbehave", "--honest", f"127.0.0.1:{honest}", "--seed", str(options.seed),
                             *(f"127.0.0.1:{port}" for port in hostile)], ALL_CORES, folder / "servers.log")
    ringway = Ringway(running, folder, engine, ports.take(), ports.take(), ALL_CORES, configuration(honest, hostile))
    time.sleep(LOOK_S)
    found = {"engine": engine, "start": _look(ringway), "cycles": [], "faults": []}
    end = time.monotonic() + options.minutes * 60
    while time.monotonic() < end and ringway.process.poll() is None:
        number = len(found["cycles"]) + 1
        cycle = _cycle(running, ringway, options, folder, number, say)
        found["cycles"].append(cycle)
        say(f"{engine}, cycle {number}: {cycle['counts'].get('hostile connections', 0):,} hostile connections, "
            f"{cycle['counts'].get('good requests answered', 0):,} good requests; calm: {_told(cycle)}")
    found["counts"] = added(cycle["counts"] for cycle in found["cycles"])
    found["faults"] = faults(found) + ringway.end()
    found["servers"] = ended(running, servers)["counts"]
    return found


def _cycle(running, ringway, options, folder, number, say):
    attackers = running.start([BESIEGER, "harass", f"127.0.0.1:{ringway.port}", "--connections", str(options.attackers),
                               "--seconds", str(options.cycle), "--seed", str(options.seed + number)],
                              ALL_CORES, folder / f"attackers-{number}.log")
    end = time.monotonic() + options.cycle
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, PROGRESS_S))
        counts = last_told(attackers)["counts"]
        say(f"cycle {number}: {counts.get('hostile connections', 0):,} hostile connections, {counts.get('faults', 0)} faults")
    time.sleep(max(options.calm - LOOK_S, 0))
    try:
        seen = _look(ringway)
    except OSError:
        seen = None  # It is gone, and its end says why.
    told = ended(running, attackers)
    return {"calm": seen, "counts": told["counts"], "faults": told["faults"]}


def _look(ringway):
    """Ringway while nothing happens."""
    before = ringway.cpu()
    time.sleep(LOOK_S)
    cpu = ringway.cpu().since(before)["total_s"] / LOOK_S
    # Before the metrics: the connection over which they come is a descriptor too, for a moment longer.
    seen = {"descriptors": ringway.descriptors(), "threads": ringway.threads(), "resident": ringway.resident()[0], "cpu": cpu}
    return seen | {"under_way": {name: ringway.metric(name) for name in UNDER_WAY}}


def faults(found):
    """What is not as it should be, as lines."""
    lines, start = [], found["start"]
    for number, cycle in enumerate(found["cycles"], 1):
        lines += [f"cycle {number}: {fault}" for fault in cycle["faults"]]
        if not cycle["counts"].get("good requests answered"):
            lines.append(f"cycle {number}: no good request was answered")
        calm = cycle["calm"]
        if calm is None:
            continue
        if calm["descriptors"] > start["descriptors"]:
            lines.append(f"cycle {number}: {calm['descriptors']} descriptors, {start['descriptors']} at the start")
        if calm["threads"] > start["threads"]:
            lines.append(f"cycle {number}: {calm['threads']} threads, {start['threads']} at the start")
        if calm["cpu"] > IDLE_SHARE_MAX:
            lines.append(f"cycle {number}: {calm['cpu']:.1%} of a core while nothing happened")
        lines += [f"cycle {number}: {name} is {count} while nothing happens" for name, count in calm["under_way"].items() if count]
    flat = [cycle["calm"]["resident"] for cycle in found["cycles"][FIRST_FLAT - 1:] if cycle["calm"]]
    if flat and max(flat) > flat[0] * (1 + RESIDENT_GROWTH_MAX):
        lines.append(f"RSS grew from {mebibytes(flat[0])} in cycle {FIRST_FLAT} to {mebibytes(max(flat))}")
    return lines


def _told(cycle):
    calm = cycle["calm"]
    if calm is None:
        return "it is gone"
    return f"{calm['descriptors']} descriptors, {calm['threads']} threads, {mebibytes(calm['resident'])}, {calm['cpu']:.2%} of a core"


def markdown(results, options):
    lines = [f"{options.attackers} hostile clients at a time, 8 that keep the rules, {HOSTILE_SERVERS} hostile servers and one that is not; cycles of "
             f"{options.cycle} s of traffic and {options.calm:g} s of calm, {options.minutes:g} minutes; Ringway with {len(ALL_CORES.split(','))} workers "
             "and time-outs of 1 s.", ""]
    for found in results:
        lines += [f"**{found['engine']}**, {len(found['cycles'])} cycles:", "",
                  "| | descriptors | threads | RSS | CPU while calm | hostile connections | good requests, all right |",
                  "| --- | --- | --- | --- | --- | --- | --- |",
                  _row("start", found["start"], {})]
        lines += [_row(str(number), cycle["calm"], cycle["counts"]) for number, cycle in _shown(found["cycles"])]
        ways = {name.removeprefix("left: "): count for name, count in found["counts"].items() if name.startswith("left: ")}
        lines += ["", f"How clients left: {_list(ways)}. How servers answered: {_list(found['servers'])}.", ""]
    if any(len(found["cycles"]) <= FIRST_FLAT for found in results):
        lines.append(f"Too few cycles to judge memory: it has to be flat from cycle {FIRST_FLAT} on.")
    return "\n".join(lines)


def _shown(cycles):
    """The first five, every fifth and the last."""
    return [(number, cycle) for number, cycle in enumerate(cycles, 1)
            if number <= 5 or number % 5 == 0 or number == len(cycles)]


def _list(counts):
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "–"


def _row(name, calm, counts):
    if calm is None:
        return f"| {name} | gone | | | | | |"
    return (f"| {name} | {calm['descriptors']} | {calm['threads']} | {mebibytes(calm['resident'])} | {calm['cpu']:.2%} | "
            f"{counts.get('hostile connections', 0):,} | {counts.get('good requests answered', 0):,} |")

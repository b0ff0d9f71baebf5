"""Clients and dying servers with one ledger: does everybody get his own answer, and is any POST sent twice?"""

import time

from .besieged import ALL_CORES, BESIEGER, Ringway, ended, last_told

SERVERS = 4
# What the besieger takes to finish when its time is over.
GRACE_S = 20
PROGRESS_S = 15


def configuration(servers):
    return f"""
[[service]]
name = "web"
key = "random"
timeouts = {{ connect_ms = 1000, first_byte_ms = 2000, between_bytes_ms = 2000, queue_ms = 1000 }}
replicas = {{ provider = "static", addresses = [{", ".join(f'"127.0.0.1:{port}"' for port in servers)}] }}
"""


def besiege(running, engine, options, folder, ports, say):
    servers = [ports.take() for _ in range(SERVERS)]
    ringway = Ringway(running, folder, engine, ports.take(), ports.take(), ALL_CORES, configuration(servers))
    seconds = round(options.minutes * 60)
    command = [BESIEGER, "tokens", f"127.0.0.1:{ringway.port}", *(f"127.0.0.1:{port}" for port in servers),
               "--seconds", str(seconds), "--clients", str(options.clients), "--seed", str(options.seed)]
    besieger = running.start(command + (["--plant", options.plant] if options.plant else []), ALL_CORES, folder / "besieger.log")
    end, next_told = time.monotonic() + seconds + GRACE_S, 0.0
    while besieger.poll() is None and time.monotonic() < end:
        time.sleep(0.2)
        if time.monotonic() > next_told:
            next_told = time.monotonic() + PROGRESS_S
            counts = last_told(besieger)["counts"]
            say(f"{engine}: {counts.get('answered', 0):,} answered, {counts.get('faults', 0)} faults")
    told = ended(running, besieger)
    return {"engine": engine, "counts": told["counts"], "faults": faults(told) + ringway.end()}


def asked(counts):
    return sum(count for name, count in counts.items() if name.endswith(" asked"))


def faults(told):
    """What is not as it should be, as lines."""
    counts, lines = told["counts"], list(told["faults"])
    if (more := counts.get("faults", 0) - len(lines)) > 0:
        lines.append(f"and {more} more")
    if not asked(counts) or counts.get("answered", 0) < asked(counts) / 2:
        lines.append(f"only {counts.get('answered', 0):,} of {asked(counts):,} requests were answered: that shows nothing")
    return lines


def markdown(results, options):
    lines = [f"{options.clients} clients, {SERVERS} servers that die, stall and close, for {options.minutes:g} minutes; Ringway with "
             f"{len(ALL_CORES.split(','))} workers.", ""]
    names = sorted({name for found in results for name in found["counts"]})
    engines = [found["engine"] for found in results]
    lines += [f"| | {' | '.join(engines)} |", f"| --- |{' --- |' * len(engines)}"]
    lines += [f"| {name} | {' | '.join(f'''{found['counts'].get(name, 0):,}''' for found in results)} |" for name in names]
    return "\n".join(lines)

"""From raw rounds of a load to a table: medians over the rounds, and ratios to the relay taken within each round."""

from dataclasses import dataclass
from statistics import median
from typing import Callable

from .contenders import NAMES, RELAY

COLUMNS = ("contender", "req/s", "p50 ms", "p99 ms", "CPU µs/req", "user", "system", "× relay", "min–max", "core",
           "RSS MiB", "anon MiB", "dirty MiB", "errors")
# Above this share of the proxy's core, what other processes took is worth a warning.
DISTURBANCE = 0.05


REASON_MAX = 240
LARGE_BODY_BYTES = 16 * 1024


@dataclass(frozen=True)
class Further:
    """A column that only some cases have. `shown(row, case)`: the cell, or `None`."""

    name: str
    shown: Callable


def _throughput(row, case):
    if not row["measured"] or case.get("body", 0) < LARGE_BODY_BYTES:
        return None
    return f"{row['requests_per_s'] * case['body'] / 1e9:.2f}"


def _rarest(row, _case):
    return f"{row['p999_us'] / 1000:.2f}" if row.get("p999_us") is not None else None


FURTHER = (Further("p99.9 ms", _rarest), Further("GB/s", _throughput))


def summarise(rounds):
    """One row per contender of one case. `rounds`: a list of {contender: figures or {"failed": reason}}."""
    names = list(dict.fromkeys(name for each in rounds for name in each))
    return [_row(name, rounds) for name in sorted(names, key=NAMES.index)]


def _row(name, rounds):
    figures = [each[name] for each in rounds if name in each and "failed" not in each[name]]
    failures = [each[name]["failed"] for each in rounds if name in each and "failed" in each[name]]
    row = {"contender": name, "measured": len(figures), "failures": failures}
    if not figures:
        return row
    for key in ("requests_per_s", "p50_us", "p99_us", "cpu_us_per_request", "user_us_per_request",
                "system_us_per_request", "core_share"):
        row[key] = median(each[key] for each in figures)
    if all("p999_us" in each for each in figures):
        row["p999_us"] = median(each["p999_us"] for each in figures)
    for key in ("rss", "anonymous", "private_dirty"):
        row[key] = median(each["memory"][key] for each in figures)
    row["errors"] = sum(each["errors"] for each in figures)
    row["ratios"] = ratios_to_relay(name, rounds)
    return row


def ratios_to_relay(name, rounds):
    """CPU per request over the relay's of the same round, where both were measured."""
    ratios = []
    for each in rounds:
        mine, floor = each.get(name, {}), each.get(RELAY, {})
        if "cpu_us_per_request" in mine and "cpu_us_per_request" in floor:
            ratios.append(mine["cpu_us_per_request"] / floor["cpu_us_per_request"])
    return ratios


def table(case):
    """Lines of Markdown: a row per contender, and what a reader has to know beside it."""
    rows = summarise(case["rounds"])
    further = [column for column in FURTHER if any(column.shown(row, case) for row in rows)]
    columns = [*COLUMNS, *(column.name for column in further)]
    yield "| " + " | ".join(columns) + " |"
    yield "|" + "|".join(" --- " if column == "contender" else " ---: " for column in columns) + "|"
    for row in rows:
        cells = [*_cells(row), *(column.shown(row, case) or "" for column in further)]
        yield "| " + " | ".join(cells) + " |"
    notes = [*_failures(rows), *_disturbances(case["rounds"])]
    if notes:
        yield ""
        yield from (f"- {note}" for note in notes)


def _cells(row):
    if not row["measured"]:
        return [row["contender"], "failed", *([""] * (len(COLUMNS) - 2))]
    ratios = row["ratios"]
    return [
        row["contender"],
        f"{row['requests_per_s']:,.0f}",
        f"{row['p50_us'] / 1000:.2f}",
        f"{row['p99_us'] / 1000:.2f}",
        f"{row['cpu_us_per_request']:.2f}",
        f"{row['user_us_per_request']:.2f}",
        f"{row['system_us_per_request']:.2f}",
        f"**{median(ratios):.2f}**" if ratios else "",
        f"{min(ratios):.2f}–{max(ratios):.2f}" if ratios else "",
        f"{row['core_share']:.0%}",
        *(f"{row[key] / 2**20:.1f}" for key in ("rss", "anonymous", "private_dirty")),
        f"{row['errors']:,}",
    ]


def _failures(rows):
    for row in rows:
        failures = row["failures"]
        for reason in dict.fromkeys(failures):
            rounds = row["measured"] + len(failures)
            yield f"{row['contender']} failed in {failures.count(reason)} of {rounds} rounds: {one_line(reason)}"


def one_line(text):
    """A reason as it fits into a list; what a program wrote while it failed may be long."""
    joined = " ".join(text.split())
    return joined if len(joined) <= REASON_MAX else joined[:REASON_MAX] + " ..."


def _disturbances(rounds):
    for name in dict.fromkeys(name for each in rounds for name in each):
        figures = [each[name] for each in rounds if name in each]
        lost = [each.get("core_share_of_others", 0) + each.get("core_share_stolen", 0) for each in figures]
        disturbed = [share for share in lost if share > DISTURBANCE]
        if disturbed:
            yield (f"disturbed: others had up to {max(disturbed):.0%} of {name}'s core, in {len(disturbed)} of "
                   f"{len(figures)} rounds")
        kinds = [kind for each in figures for kind in each.get("client", {}).get("verdicts", ())]
        if kinds:
            yield (f"the load itself was short of something beside {name} ({', '.join(dict.fromkeys(kinds))}) in "
                   f"{sum(bool(each.get('client', {}).get('verdicts')) for each in figures)} of {len(figures)} rounds")
        if ended := sum(each.get("threads_ended", 0) for each in figures):
            yield f"undercounted: {ended} threads of {name} ended within a window, and their CPU time with them"

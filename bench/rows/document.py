"""The report of a run: what it ran on, the targets, a table per case, and the charts."""

import json
import subprocess

from harness.contenders import PROGRAMS, RINGWAYS
from harness.report import one_line

from . import ROWS
from .closed import ASKED
from .row import Results

BY_NAME = {row.name: row for row in (*ROWS, ASKED)}
DRAW = PROGRAMS / "examples" / "side_by_side_charts"


def markdown(run, charts_folder=None):
    """`charts_folder`: where the charts are, seen from the document."""
    machine = run["machine"]
    lines = [
        f"# Side by side, {machine['date']}, commit {machine['commit']}",
        "",
        f"- Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"Linux {machine['kernel']}",
        *(f"- {name}: {version}" for name, version in machine["versions"].items()),
        f"- Command: `{run['command']}`",
        f"- {run['rounds']} rounds, window {run['seconds']:g} s after {run['warmup_seconds']:g} s of the same "
        f"load, {run['keys']} keys; contender on core {run['proxy_core']}, load and upstream on core "
        f"{run['load_core']}",
        *(f"- **Warning**: {warning}" for warning in run["warnings"]),
        *(f"- Skipped: {line}" for line in run["skipped"]),
        *_targets(run),
    ]
    for row in run["rows"]:
        lines += _row(row)
    if charts_folder:
        lines += ["", *(f"![{chart['title']}]({charts_folder}/{chart['stem']}.svg)" for chart in run["charts"])]
    return "\n".join(lines) + "\n"


def _targets(run):
    results = Results(run["rows"])
    found = [target for row in run["rows"] for target in BY_NAME[row["name"]].targets(results)]
    if not found:
        return
    yield from ("", "## Targets", "",
                "Medians over the rounds, of ratios within a round where it is one; in brackets the range.", "")
    yield from ("| target | | epoll | io_uring | met |", "| --- | ---: | ---: | ---: | --- |")
    for target in found:
        cells = [target.text, f"{target.sense} {target.shown.format(target.bound)}",
                 *(_shown(target, name) for name in RINGWAYS), met(target)]
        yield "| " + " | ".join(cells) + " |"


def _shown(target, name):
    spread = target.measured.get(name)
    if spread is None:
        return ""
    middle, *ends = map(target.shown.format, (spread.median, spread.lowest, spread.highest))
    return f"**{middle}**" if ends[0] == ends[1] else f"**{middle}** ({'–'.join(ends)})"


def met(target):
    """In a word, for both engines."""
    verdicts = {name.removeprefix("ringway-"): target.met(name) for name in RINGWAYS if target.met(name) is not None}
    if not verdicts:
        return "not measured"
    if all(verdicts.values()):
        return "yes"
    return next((f"only on {name}" for name, verdict in verdicts.items() if verdict), "**no**")


def _row(row):
    described = BY_NAME[row["name"]]
    yield from ("", f"## {row['title']}")
    if "failed" in row:
        yield from ("", f"Failed: {row['failed']}")
    for case in row["cases"]:
        if case["rounds"]:
            table = list(described.table(case))
            yield from ("", f"### {case['name'][:1].upper()}{case['name'][1:]}", "", *table)
            if not any(" failed in " in line for line in table):
                yield from _failures(case)


def _failures(case):
    """Of contenders that failed, where the table is silent about them."""
    said = dict.fromkeys((name, one_line(figures["failed"])) for each in case["rounds"]
                         for name, figures in each.items() if "failed" in figures)
    if said:
        yield ""
        yield from (f"- {name} failed: {reason}" for name, reason in said)


def charts(run):
    """All charts for which there are figures, as `bench/charts.rs` reads them."""
    results = Results(run["rows"])
    drawn = [chart for row in run["rows"] for chart in BY_NAME[row["name"]].charts(results)]
    rounds = "one round" if run["rounds"] == 1 else f"median of {run['rounds']} rounds"
    under = f"{run['machine']['date']}, commit {run['machine']['commit']}, {rounds}"
    return [chart | {"subtitle": f"{chart['subtitle']}; {under}" if chart["subtitle"] else under}
            for chart in drawn if chart["legend"] and chart["groups"]]


def save(run, folder):
    """Writes the raw rounds, the tables and the charts; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{run['machine']['date']}-{run['machine']['commit']}"
    raw, tables, charts_folder = folder / f"{stem}.json", folder / f"{stem}.md", folder / stem
    raw.write_text(json.dumps(run, indent=1) + "\n")
    if run["charts"]:
        subprocess.run([str(DRAW), str(raw), str(charts_folder)], check=True)
    tables.write_text(markdown(run, charts_folder.name if run["charts"] else None))
    return [raw, tables, *([charts_folder] if run["charts"] else [])]

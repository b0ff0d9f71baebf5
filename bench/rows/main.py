"""The whole run: check, build, say how long it takes, measure in interleaved rounds, report."""

import math
import shlex
import subprocess
import sys

from harness import contenders, machine, options as command_line
from harness.measure import MeasurementFailed
from harness.processes import Processes, raise_on_termination

from . import NAMES, chosen, document
from .row import Bench, present, rounds_of, seconds_of

RESULTS = contenders.REPOSITORY / "bench" / "results"
EXIT_FAILED = 1
EXIT_UNUSABLE = 2
EXIT_INTERRUPTED = 130


def main(arguments):
    options = command_line.parse(arguments[1:], NAMES)
    try:
        return _run(options, shlex.join(["bench/run", *arguments[1:]]))
    except KeyboardInterrupt:
        _say("interrupted; everything is stopped")
        return EXIT_INTERRUPTED


def _run(options, command):
    raise_on_termination()
    if problems := machine.missing_tools(options.build):
        return _refuse(problems)
    present_here, skipped = _present(options)
    _say(_estimate(options, present_here))
    if options.estimate:
        return 0
    if options.build and not _build():
        return _refuse(["the build failed"])
    present_here, skipped = _present(options)
    for line in skipped:
        _say(f"skipping {line}")
    if skipped and options.missing == "fail":
        return _refuse(skipped)
    if not present_here:
        return _refuse([*skipped, "nothing is left to measure"])
    if problems := _descriptor_problems(options):
        return _refuse(problems)
    run = _begin(options, command, present_here, skipped)
    _measure_rows(run, options, present_here)
    run["charts"] = document.charts(run)
    print(document.markdown(run))
    if options.save:
        for path in document.save(run, RESULTS):
            _say(f"wrote {path.relative_to(contenders.REPOSITORY)}")
    return EXIT_FAILED if _anything_failed(run) else 0


def _build():
    command = ["cargo", "build", "--release", "--bin", "ringway", "--examples"]
    _say(shlex.join(command))
    return subprocess.run(command, cwd=contenders.REPOSITORY, check=False).returncode == 0


def _present(options):
    found, skipped = [], []
    for contender in map(contenders.by_name, options.contenders):
        if contender.is_installed():
            found.append(contender)
        else:
            skipped.append(f"{contender.name}: {contender.missing}")
    return found, skipped


def _estimate(options, found):
    # Those that are built here will be there.
    seconds = sum(seconds_of(row, options, found) for row in chosen(options))
    rows = ", ".join(row.name for row in chosen(options))
    return f"{rows}: about {math.ceil(seconds / 60)} minutes ({options.rounds} rounds, {len(found)} contenders)"


def _descriptor_problems(options):
    limit = machine.raise_descriptor_limit()
    asked = [case.facts.get("connections", 0) for row in chosen(options) for case in row.cases(options)]
    needed = 2 * max(asked) + contenders.SPARE_DESCRIPTORS
    if limit >= needed:
        return []
    return [f"{max(asked)} connections need {needed} open descriptors in a proxy, and the hard limit is {limit}: "
            f"raise it (ulimit -Hn {needed}, as root), or leave out the rows that have so many (--only-rows)"]


def _begin(options, command, found, skipped):
    warnings = machine.warnings()
    for warning in warnings:
        _say(f"WARNING: {warning}")
    rows = [{"name": row.name, "title": row.title, "prepared": {},
             "cases": [{"name": case.name, **case.facts, "rounds": []} for case in row.cases(options)]}
            for row in chosen(options)]
    return {
        "command": command, "machine": machine.describe(found), "warnings": warnings, "skipped": skipped,
        "rounds": options.rounds, "seconds": options.seconds, "warmup_seconds": options.warmup_seconds,
        "keys": options.keys, "proxy_core": options.proxy_core, "load_core": options.load_core, "rows": rows,
    }


def _measure_rows(run, options, found):
    """The rounds are outermost: a slow minute of the machine hits all rows, and none of them in all rounds."""
    rows = list(zip(chosen(options), run["rows"]))
    with Processes() as running:
        bench = Bench(running, options, bool(run["machine"]["softirq_accounted_apart"]))
        for number in range(options.rounds):
            for row, record in rows:
                those = present(row, found)
                if number < rounds_of(row, options) and those:
                    _measure_round(bench, row, record, those, number)


def _measure_round(bench, row, record, those, number):
    """Each contender once in each case. Both orders rotate, so that none always follows the same one."""
    if number == 0 and not _prepare(bench, row, record, those):
        return
    cases = list(zip(row.cases(bench.options), record["cases"]))
    for case, kept in _rotated(cases, number):
        kept["prepared"] = record["prepared"]
        figures = {contender.name: _measure(bench, row, case, contender, record["prepared"], number)
                   for contender in _rotated(those, number)}
        kept["rounds"].append(figures)


def _prepare(bench, row, record, those):
    """Whether the row can be measured."""
    try:
        record["prepared"] = row.prepare(bench, those)
    except MeasurementFailed as failure:
        _say(f"{row.name}: FAILED: {failure}")
        record["failed"] = str(failure)
    return "failed" not in record


def _measure(bench, row, case, contender, prepared, number):
    try:
        figures = case.measure(bench, contender, prepared)
        said = row.said(figures)
    except MeasurementFailed as failure:
        figures = {"failed": str(failure)}
        said = f"FAILED: {failure}"
    _say(f"{row.name}, {case.name}, round {number + 1}/{rounds_of(row, bench.options)}, {contender.name}: {said}")
    return figures


def _rotated(items, number):
    first = number % len(items)
    return items[first:] + items[:first]


def _anything_failed(run):
    return any("failed" in row for row in run["rows"]) or any(
        "failed" in figures for row in run["rows"] for case in row["cases"] for each in case["rounds"]
        for figures in each.values())


def _refuse(problems):
    for problem in problems:
        _say(problem)
    return EXIT_UNUSABLE


def _say(line):
    """Progress goes to standard error: standard output carries the report alone."""
    print(f"bench: {line}", file=sys.stderr, flush=True)

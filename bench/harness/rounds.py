"""The whole run: check, build, measure in interleaved rounds, report."""

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from . import contenders, machine, options as command_line, report
from .measure import MeasurementFailed, measure
from .ports import PortPicker
from .processes import Processes, raise_on_termination

RESULTS = contenders.REPOSITORY / "bench" / "results"
EXIT_FAILED = 1
EXIT_UNUSABLE = 2
EXIT_INTERRUPTED = 130


def main(arguments):
    options = command_line.parse(arguments[1:])
    try:
        return _run(options, shlex.join(["bench/run", *arguments[1:]]))
    except KeyboardInterrupt:
        _say("interrupted; everything is stopped")
        return EXIT_INTERRUPTED


def _run(options, command):
    raise_on_termination()
    if problems := machine.missing_tools(options.build):
        return _refuse(problems)
    if options.build and not _build(options):
        return _refuse(["the build failed"])
    chosen, skipped = _present(options)
    if skipped and options.missing == "fail":
        return _refuse(skipped)
    if not chosen:
        return _refuse([*skipped, "nothing is left to measure"])
    if problems := _descriptor_problems(options):
        return _refuse(problems)
    run = _begin(options, command, chosen, skipped)
    _measure_cases(run, options, chosen)
    print(report.markdown(run))
    if options.save:
        for path in report.save(run, RESULTS):
            _say(f"wrote {path.relative_to(contenders.REPOSITORY)}")
    return EXIT_FAILED if _anything_failed(run) else 0


def _build(options):
    command = ["cargo", "build", "--release", "--examples"]
    if any(name.startswith("ringway") for name in options.contenders):
        command += ["--bin", "ringway"]
    _say(shlex.join(command))
    return subprocess.run(command, cwd=contenders.REPOSITORY, check=False).returncode == 0


def _present(options):
    chosen, skipped = [], []
    for contender in map(contenders.by_name, options.contenders):
        if contender.is_installed():
            chosen.append(contender)
        else:
            how = "build it first" if contender.is_built_here else "not installed"
            skipped.append(f"{contender.name}: {how} (no program {Path(contender.program).name})")
            _say(f"skipping {skipped[-1]}")
    return chosen, skipped


def _descriptor_problems(options):
    limit = machine.raise_descriptor_limit()
    needed = 2 * max(options.connections) + contenders.SPARE_DESCRIPTORS
    if limit >= needed:
        return []
    fitting = (limit - contenders.SPARE_DESCRIPTORS) // 2
    return [f"{max(options.connections)} connections need {needed} open descriptors in a proxy, and the hard "
            f"limit is {limit}: raise it (ulimit -Hn {needed}, as root), or ask for --connections {fitting}"]


def _begin(options, command, chosen, skipped):
    warnings = machine.warnings()
    for warning in warnings:
        _say(f"WARNING: {warning}")
    return {
        "command": command, "machine": machine.describe(chosen), "warnings": warnings, "skipped": skipped,
        "rounds": options.rounds, "seconds": options.seconds, "warmup_seconds": options.warmup_seconds,
        "keys": options.keys, "proxy_core": options.proxy_core, "load_core": options.load_core, "cases": [],
    }


def _measure_cases(run, options, chosen):
    ports = PortPicker()
    softirq_apart = bool(run["machine"]["softirq_accounted_apart"])
    with Processes() as running:
        for body in options.bodies:
            for connections in options.connections:
                case = {"connections": connections, "body": body, "rounds": []}
                run["cases"].append(case)
                for number in range(options.rounds):
                    figures = _measure_round(running, options, chosen, case, number, ports, softirq_apart)
                    case["rounds"].append(figures)


def _measure_round(running, options, chosen, case, number, ports, softirq_apart):
    """Each contender once. The order rotates, so that none always follows the same one."""
    first = number % len(chosen)
    figures = {}
    for contender in chosen[first:] + chosen[:first]:
        with tempfile.TemporaryDirectory(prefix="ringway-bench-") as folder:
            # nginx's worker may run as another user, and keeps its temporary files in here.
            Path(folder).chmod(0o755)
            try:
                each = measure(running, contender, options, case["connections"], case["body"], ports, Path(folder),
                               softirq_apart)
                said = f"{each['requests_per_s']:,.0f} req/s, {each['cpu_us_per_request']:.2f} µs CPU per request"
            except MeasurementFailed as failure:
                each = {"failed": str(failure)}
                said = f"FAILED: {failure}"
        figures[contender.name] = each
        _say(f"{case['connections']} connections, {case['body']} bytes, round {number + 1}/{options.rounds}, "
             f"{contender.name}: {said}")
    return figures


def _anything_failed(run):
    return any("failed" in figures for case in run["cases"] for each in case["rounds"]
               for figures in each.values())


def _refuse(problems):
    for problem in problems:
        _say(problem)
    return EXIT_UNUSABLE


def _say(line):
    """Progress goes to standard error: standard output carries the report alone."""
    print(f"bench: {line}", file=sys.stderr, flush=True)

"""A row: cases that belong together, their targets, and how both are shown.

Everything but `Case.measure` and `Row.prepare` is pure: it works on figures alone, so that it can be tested and applied to
the JSON of an earlier run.
"""

from dataclasses import dataclass, field
from typing import Callable

from harness.contenders import NAMES, RINGWAYS
from harness.ports import PortPicker
from harness.processes import Processes


@dataclass
class Bench:
    """What a measurement needs."""

    running: Processes
    options: object
    softirq_apart: bool
    ports: PortPicker = field(default_factory=PortPicker)


@dataclass(frozen=True)
class Case:
    """One set of figures per contender and round."""

    name: str
    # (bench, contender, what the row prepared) -> {figure: value}; raises MeasurementFailed.
    measure: Callable
    # What one measurement takes.
    seconds: float
    # Facts on the case that its table shows.
    facts: dict = field(default_factory=dict)


def no_preparation(_bench, _contenders):
    return {}


def no_charts(_results):
    return ()


@dataclass(frozen=True)
class Row:
    name: str
    title: str
    # (options) -> tuple of cases.
    cases: Callable
    # (results) -> iterable of targets.
    targets: Callable
    # (case) -> lines of Markdown.
    table: Callable
    # (figures) -> what is said of one measurement while the run goes on.
    said: Callable
    contenders: tuple = NAMES
    charts: Callable = no_charts
    # (bench, contenders) -> values that JSON can hold; measured once, before the first round.
    prepare: Callable = no_preparation
    prepare_seconds: float = 0.0
    # More rounds than this would tell nothing new.
    rounds_max: int = 1_000_000


RINGWAY_ONLY = RINGWAYS


class Results:
    """The figures of a run, by row and case."""

    def __init__(self, rows):
        self._cases = {(row["name"], case["name"]): case for row in rows for case in row["cases"]}

    def case(self, row, name):
        """A case that was not measured has no rounds."""
        return self._cases.get((row, name), {"name": name, "rounds": []})


def present(row, contenders):
    """Those of a run's contenders that the row measures."""
    return [contender for contender in contenders if contender.name in row.contenders]


def rounds_of(row, options):
    return min(options.rounds, row.rounds_max)


def seconds_of(row, options, contenders):
    """What the row will take in all."""
    cases = sum(case.seconds for case in row.cases(options)) * len(present(row, contenders))
    return row.prepare_seconds + cases * rounds_of(row, options)

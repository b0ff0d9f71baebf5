"""Arithmetic on rounds: ratios within a round, their median and range, and whether a target is met."""

from dataclasses import dataclass
from statistics import median

from harness.contenders import PEERS, RINGWAYS

SENSES = {
    "at most": lambda value, bound: value <= bound,
    "below": lambda value, bound: value < bound,
    "at least": lambda value, bound: value >= bound,
    "above": lambda value, bound: value > bound,
}


@dataclass(frozen=True)
class Spread:
    """A median with the range around it."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values):
        """`None` where nothing was measured."""
        return cls(median(values), min(values), max(values)) if values else None


@dataclass(frozen=True)
class Target:
    text: str
    sense: str
    bound: float
    # By contender; `None` where a figure is missing.
    measured: dict
    shown: str = "{:.2f}"

    def met(self, contender):
        """`None` where it was not measured."""
        spread = self.measured.get(contender)
        return None if spread is None else SENSES[self.sense](spread.median, self.bound)


def figure(each, name, key):
    """One contender's figure in one round; `None` where the contender failed or was not there."""
    return each.get(name, {}).get(key)


def values(case, name, key):
    """A contender's figure in all rounds that have it."""
    found = (figure(each, name, key) for each in case["rounds"])
    return [value for value in found if value is not None]


def ratios(case, mine, key, others, choose=min):
    """Mine over that of the chosen one of the others, round by round."""
    return [top / bottom for top, bottom in _pairs(case, mine, key, others, choose) if bottom]


def _pairs(case, mine, key, others, choose):
    for each in case["rounds"]:
        top = figure(each, mine, key)
        bottoms = [value for value in (figure(each, other, key) for other in others) if value is not None]
        if top is not None and bottoms:
            yield top, choose(bottoms)


def ratios_between(case, other_case, name, key):
    """A contender's figure in one case over that in another, round by round."""
    pairs = ((figure(first, name, key), figure(second, name, key))
             for first, second in zip(case["rounds"], other_case["rounds"]))
    return [top / bottom for top, bottom in pairs if top is not None and bottom]


def against(text, sense, bound, case, key, others, choose=min, only=RINGWAYS):
    """A target on Ringway's figure over another's."""
    measured = {mine: Spread.of(ratios(case, mine, key, others, choose)) for mine in only}
    return Target(text, sense, bound, measured)


def against_best(text, sense, bound, case, key, choose=min):
    """The same, over the peer that was the best in that round."""
    return against(text, sense, bound, case, key, PEERS, choose)


def alone(text, sense, bound, case, key, shown="{:.2f}", scale=1.0):
    """A target on a figure of Ringway's by itself."""
    measured = {mine: Spread.of([value * scale for value in values(case, mine, key)]) for mine in RINGWAYS}
    return Target(text, sense, bound, measured, shown)


def no_error(text, case):
    """All rounds together: one error is too many."""
    measured = {}
    for mine in RINGWAYS:
        counts = values(case, mine, "errors")
        failed = sum("failed" in each.get(mine, {}) for each in case["rounds"])
        measured[mine] = Spread.of([sum(counts) + failed] if counts or failed else [])
    return Target(text, "at most", 0, measured, "{:,.0f}")


def medians(case, names, key, scale=1.0):
    """For a chart: one value per contender, `None` where there is none."""
    found = (values(case, name, key) for name in names)
    return [median(each) * scale if each else None for each in found]


def measured_names(cases, names):
    """Those contenders of which there is a figure in any of the cases."""
    return [name for name in names
            if any("failed" not in each.get(name, {"failed": ""}) for case in cases for each in case["rounds"])]


def bars(stem, title, y, legend, groups, x="", logarithmic=False, subtitle="", reference=None):
    """A chart as bench/charts.rs reads it. `groups`: (name, values in the order of the legend)."""
    return {"stem": stem, "title": title, "subtitle": subtitle, "x": x, "y": y, "logarithmic": logarithmic,
            "legend": list(legend), "groups": [{"name": name, "values": each} for name, each in groups],
            "reference": reference and {"value": reference[0], "text": reference[1]}}

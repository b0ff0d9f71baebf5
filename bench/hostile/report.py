"""The table: what each proxy did with each case, and where Ringway is stricter or looser than the others."""

from collections import Counter
from datetime import date
from itertools import groupby

from . import proxies
from .hazards import answer_hazards, hazards

TEXT_MAX = 60


class Table:
    def __init__(self, groups, chosen, observed, command):
        self.groups, self.chosen, self.observed, self.command = groups, chosen, observed, command
        # What Ringway did and must not do, in words.
        self.faults = []
        self.families = list(dict.fromkeys(proxy.family for proxy in chosen))

    def looser_without_reason(self):
        """Cases that matter for smuggling in which Ringway lets through what another refuses, and no reason is given."""
        return [f"{case.name}: Ringway is looser than {', '.join(self._peers_where(group, case, refuse=True))}"
                for group in self.groups for case in group.cases
                if (group.smuggling or case.smuggling) and not case.looser_since and self._mark(group, case) == "looser"]

    def summary(self):
        lines = [f"{sum(len(group.cases) for group in self.groups)} cases"]
        if len(self.families) > 1:
            marks = Counter(self._mark(group, case) for group in self.groups for case in group.cases)
            lines.append(f"Ringway is stricter than another proxy in {marks['stricter']} of them, looser in {marks['looser']}")
            for family in self.families:
                count = sum(bool(self._dangers(family, case)) for group in self.groups for case in group.cases)
                lines.append(f"{family} sent on something ambiguous in {count}")
        return "; ".join(lines) + "."

    def markdown(self):
        return "\n".join([*self._heading(), *(line for group in self.groups for line in self._section(group)),
                          *self._looser()]) + "\n"

    def _heading(self):
        versions = ", ".join(f"{family} {self._version(family)}" for family in self.families)
        return [
            f"# Hostile and unusual messages, {date.today().isoformat()}, commit {proxies.commit()}", "",
            f"- {versions}; {proxies.machine()}", f"- Command: `{self.command}`", f"- {self.summary()}",
            "- *must* is what Ringway must do; the command fails where it does not, on epoll or on io_uring.",
            "- Each cell: the status that the client got, what became of its connection, and what the upstream saw: the request "
            "lines where they are not the client's one line, and bodies in bytes. *kept*: it took another request; *silent*: no "
            "answer within a second. **Bold**: the upstream, or the client, got something that can be read in two ways.",
            "- *stricter*: Ringway refuses what another proxy lets through; *looser*: the reverse, of messages that are valid by the "
            "section named. Where messages could be smuggled looser is a failure unless it is explained at the end.",
            *(f"- **Not as it must be**: {fault}" for fault in self.faults), ""]

    def _version(self, family):
        return next(proxy for proxy in self.chosen if proxy.family == family).version()

    def _section(self, group):
        heading = ["case", "RFC", "must", *self.families, ""]
        yield from [f"## {group.title}", "", f"| {' | '.join(heading)} |", f"|{' --- |' * len(heading)}"]
        for case in group.cases:
            name = f"{case.name}. {case.why}" if case.why else case.name
            cells = [self._cell(family, case) for family in self.families]
            row = [name, case.rfc, case.must.text, *cells, self._mark(group, case)]
            yield f"| {' | '.join(_escaped(cell) for cell in row)} |"
        yield ""

    def _looser(self):
        explained = [f"- {case.name}: {case.looser_since}" for group in self.groups for case in group.cases
                     if case.looser_since and self._mark(group, case) == "looser"]
        return ["## Where Ringway is looser and messages could be smuggled, and why that is safe", "", *explained] if explained else []

    def _cell(self, family, case):
        told = list(dict.fromkeys(_told(self.observed[proxy.name].get(case.name)) for proxy in self.chosen if proxy.family == family))
        return " / ".join(told)

    def _mark(self, group, case):
        if "ringway" not in self.families:
            return ""
        if self._lets_through("ringway", group, case):
            return "looser" if self._peers_where(group, case, refuse=True) else ""
        return "stricter" if self._peers_where(group, case, refuse=False) else ""

    def _peers_where(self, group, case, refuse):
        return [family for family in self.families
                if family != "ringway" and self._lets_through(family, group, case) is not refuse]

    def _lets_through(self, family, group, case):
        seen = self._first(family, case)
        if group.of_answers:
            return bool(seen.answers) and seen.status < 500 and all(answer.whole for answer in seen.answers)
        return any(request.whole for request in seen.requests)

    def _dangers(self, family, case):
        seen = self._first(family, case)
        return [*(hazard for request in seen.requests for hazard in hazards(request)),
                *(hazard for answer in (*seen.interim, *seen.answers) for hazard in answer_hazards(answer))]

    def _first(self, family, case):
        proxy = next(proxy for proxy in self.chosen if proxy.family == family)
        return self.observed[proxy.name][case.name]


def _told(seen):
    """One observation in a cell."""
    if seen is None:
        return "not run"
    interim = _counted([str(answer.status) for answer in seen.interim])
    answers = [str(answer.status or "no HTTP") + ("" if answer.whole else " cut") for answer in seen.answers]
    parts = [" ".join(interim + answers) or "no answer", seen.end, *_upstream(seen)]
    if found := list(dict.fromkeys(hazard for answer in (*seen.interim, *seen.answers) for hazard in answer_hazards(answer))):
        parts.append(f"**to the client: {', '.join(found)}**")
    if seen.stray:
        parts.append(f"then `{_short(seen.stray)}`")
    if not seen.neighbour_served:
        parts.append("**the next client got no answer of its own**")
    return ", ".join(parts)


def _upstream(seen):
    if not seen.requests:
        return
    yield from _counted([_request(request) for request in seen.requests])
    found = list(dict.fromkeys(hazard for request in seen.requests for hazard in hazards(request)))
    if found:
        yield f"**{', '.join(found)}**"
    if seen.reused is False:
        yield "upstream closed"


def _request(request):
    body = f" + {len(request.body)}" if request.body else ""
    return f"`{_short(request.line)}`{body}{'' if request.whole else ' cut'}"


def _counted(texts):
    """Without repetition: how often each stands in a row."""
    rows = [(text, len(list(same))) for text, same in groupby(texts)]
    return [f"{count} × {text}" if count > 1 else text for text, count in rows]


def _short(line):
    text = line.decode("latin-1").encode("unicode_escape").decode()
    return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}…"


def _escaped(cell):
    return cell.replace("|", "\\|").replace("\n", " ")

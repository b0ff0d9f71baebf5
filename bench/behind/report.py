"""The table: what each server understood of what Ringway meant."""

from datetime import date

from hostile import proxies


class Table:
    def __init__(self, groups, chosen, outcomes, command):
        self.groups, self.chosen, self.outcomes, self.command = groups, chosen, outcomes, command

    def faults(self):
        found = {}
        for (server, engine), of_cases in self.outcomes.items():
            for case in (case for group in self.groups for case in group.cases):
                name = case.name
                for fault in of_cases[name].faults if name in of_cases else ["not run to its end"]:
                    found.setdefault(f"{name}: {fault}", []).append(f"{server} behind {engine}")
            if not any(outcome.reused for outcome in of_cases.values()) and len(of_cases) > 20:
                found.setdefault("no connection served twice", []).append(f"{server} behind {engine}")
        return [f"{', '.join(where)}: {fault}" for fault, where in found.items()]

    def summary(self):
        ran = next(iter(self.outcomes.values()), {})
        lines = [f"{len(ran)} cases, behind {', '.join(f'{server.name} {server.version()}' for server in self.chosen)}"]
        for server in self.chosen:
            own = [outcome for (name, _), of_cases in self.outcomes.items() if name == server.name for outcome in of_cases.values()]
            lines.append(f"{server.name}: {sum(each.understood for each in own)} requests understood, {sum(len(each.refused) for each in own)} refused by it, "
                         f"{sum(each.reused for each in own)} cases over a kept connection")
        return "\n".join(lines)

    def markdown(self):
        names = [server.name for server in self.chosen]
        lines = [f"# What servers of other make understood, {date.today().isoformat()}, commit {proxies.commit()}", "",
                 f"- {proxies.machine()}", f"- Command: `{self.command}`", *(f"- {line}" for line in self.summary().splitlines()),
                 "- *same*: exactly the requests, with exactly the bodies, that Ringway sent; *refused*: the server's own answer to a request that it "
                 "did not want; *–*: Ringway forwarded nothing. **Bold**: a deviation; there must be none.", ""]
        for group in self.groups:
            if group.cases:
                lines += [f"## {group.title}", "", f"| case | requests | {' | '.join(names)} |", f"|{' --- |' * (len(names) + 2)}"]
                lines += [self._row(case, names) for case in group.cases] + [""]
        return "\n".join(lines)

    def _row(self, case, names):
        of_case = {key: of_cases[case.name] for key, of_cases in self.outcomes.items() if case.name in of_cases}
        cells = [" / ".join(dict.fromkeys(outcome.told() for (server, _), outcome in of_case.items() if server == name)) for name in names]
        meant = " or ".join(map(str, dict.fromkeys(outcome.meant for outcome in of_case.values())))
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in (case.name, meant, *cells)) + " |"

"""All cases, by group."""

from dataclasses import replace

from . import answers, bodies, exchanges, fields, framing, lines

ALL = (*lines.GROUPS, *fields.GROUPS, *framing.GROUPS, *bodies.GROUPS, *answers.GROUPS, *exchanges.GROUPS)


def matching(part):
    """The groups with the cases whose names hold `part`."""
    names = [case.name for group in ALL for case in group.cases]
    if twice := {name for name in names if names.count(name) > 1}:
        raise SystemExit(f"two cases have the name {', '.join(sorted(twice))}")
    chosen = (replace(group, cases=[case for case in group.cases if part in case.name]) for group in ALL)
    return [group for group in chosen if group.cases]

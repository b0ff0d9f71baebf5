"""The result file: one section a siege; a run replaces those that it ran, and leaves the others of the day as they are."""

from harness import machine


def section(name, text, results, options, facts):
    versions = facts["versions"]
    lines = [f"## {name}", "",
             f"- {facts['date']}, commit {facts['commit']}: {facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']} GiB, Linux {facts['kernel']}, "
             f"{versions['rustc']}, wrk {wrk_version(versions['wrk'])}, Python {versions['python']}",
             f"- Command: `{options.command}`, seed {options.seed}", "", text, "", "**Verdict**: " + verdict(results), ""]
    return "\n".join(lines)


def wrk_version(told):
    return told.removeprefix("wrk ").split(" ")[0]


def verdict(results):
    found = [f"{each['engine']}: {fault}" for each in results for fault in each["faults"]]
    return "all as it should be." if not found else "; ".join(found) + "."


def merged(earlier, sections):
    """The text of the file: `sections` by name, and those of `earlier` that are not among them."""
    kept = {}
    for part in earlier.split("\n## ")[1:]:
        name = part.splitlines()[0]
        kept[name] = "## " + part.rstrip("\n") + "\n"
    kept |= sections
    return "# Ringway under siege\n\n" + "\n".join(kept[name] for name in sorted(kept))


def save(path, sections):
    path.write_text(merged(path.read_text() if path.exists() else "", sections))


def facts():
    return machine.describe([])

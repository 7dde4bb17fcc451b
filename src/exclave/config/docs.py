"""Print the reference of the configuration and the page of its errors, from the rule table and the codes."""

from __future__ import annotations

from exclave.config import codes, rules
from exclave.config.rules import actions, components, sources
from exclave.config.rules.base import Key, Section

_TYPES = {
    "string": "text",
    "bool": "boolean",
    "int": "number",
    "scalar": "text, number or boolean",
    "any": "any",
    "strings": "list of texts",
    "map": "table of texts",
    "values": "table of values",
    "table": "table",
    "tables": "list of tables",
}
_STAGES = {
    "readme": "when the read-me is shown",
    "stack": "when the install stack is made",
    "sandbox": "when the sandbox is planned",
    "secrets": "when secrets are synchronised",
    "deploy": "when the component is planned",
    "action": "when the action runs",
}

_REFERENCE = """\
# Configuration reference

<!-- Printed from the rule table by `exclave config docs reference`. Do not edit. -->

An app is a directory. Its files are TOML; keys are read whatever their case, unknown keys are reported
([EX-C012](../guides/errors.md#ex-c012)). A section is one file or a directory of files, never both.

In the tables: **R** required, **T** rendered as a template (the column says when), **L** the value may name a file
(`./x`, `file://`) or an address (`https://`, `git::`) whose text is loaded, **2026** newer than the format of 2025,
**kept** known, checked and kept, but not yet acted upon.
"""

_ERRORS = """\
# Errors, and what to do

<!-- Printed from the codes by `exclave config docs errors`. Do not edit. -->

Every finding of `exclave apps validate` has a code. A code never changes its meaning. `exclave config explain EX-C012`
prints the same text. With `--strict`, warnings count as errors; notes never do.
"""


def reference() -> str:
    """Print docs/reference/config.md."""
    parts = [_REFERENCE, _files()]
    for file, section in rules.FILES.items():
        parts += _section(section, file)
    for directory in ("inputs", "input_groups", "secrets", "permissions", "policies", "break_glass", "installs", "runbooks"):
        parts += _section(rules.DIRECTORIES[directory], f"{directory}/")
    parts += _section(rules.DIRECTORIES["branches"], "branches/")
    parts += _section(components.ROOT, "components/", "Every component has these keys, and those of its kind.")
    for kind, section in components.BY_KIND.items():
        own = Section(
            name=section.name,
            doc=section.doc,
            keys=tuple(key for key in section.keys if key not in components.COMMON),
            one_of=section.one_of,
        )
        parts += _section(own, kind, level=3)
    parts += _section(actions.ACTION, "actions/")
    parts += ["## Where code comes from", ""]
    for source in (sources.PUBLIC_REPO, sources.CONNECTED_REPO, sources.LOCAL):
        parts += _section(source, f"[{source.name}]", level=3)
    return "\n".join(parts).rstrip() + "\n"


def _files() -> str:
    lines = ["## Files and directories", "", "| path | what it is |", "|---|---|"]
    for name, section in rules.FILES.items():
        needed = " **R**" if name in rules.REQUIRED_FILES else ""
        lines.append(f"| `{name}`{needed} | {section.doc} |")
    for name, section in rules.DIRECTORIES.items():
        lines.append(f"| `{name}/` | One file for each: {section.doc[0].lower()}{section.doc[1:]} |")
    return "\n".join([*lines, ""])


def _section(section: Section, title: str, more: str = "", level: int = 2, prefix: str = "") -> list[str]:
    lines = [f"{'#' * level} `{title}`", "", section.doc, ""] if not prefix else []
    if more:
        lines += [more, ""]
    for group in section.one_of:
        lines += [f"Exactly one of {', '.join(f'`{name}`' for name in group)}.", ""]
    lines += ["| key | type | | what it says |", "|---|---|---|---|"]
    lines += _rows(section, "")
    return [*lines, ""]


def _rows(section: Section, prefix: str) -> list[str]:
    lines = []
    for key in section.keys:
        lines.append(_row(key, prefix))
        if key.section and not key.deprecated and key.name not in ("public_repo", "connected_repo", "local"):
            if key.section.name in ("input", "input-group", "secret", "policy", "permission"):
                continue  # shown on its own
            lines += _rows(key.section, f"{prefix}{key.name}{'[]' if key.type == 'tables' else ''}.")
    return lines


def _row(key: Key, prefix: str) -> str:
    marks = []
    if key.required:
        marks.append("**R**")
    if key.template:
        marks.append(f"**T** {_STAGES[key.template]}")
    if key.load:
        marks.append("**L**")
    if key.since > 2025:
        marks.append(str(key.since))
    if not key.used:
        marks.append("kept")
    said = key.doc
    if key.deprecated:
        said = f"Refused: {key.deprecated}."
    if key.allowed:
        said += " One of " + ", ".join(f"`{choice}`" if choice else "empty" for choice in key.allowed) + "."
    if key.aliases:
        said += " Also read: " + ", ".join(f"`{old}` as `{new}`" for old, new in key.aliases.items()) + "."
    if key.pattern:
        said += f" Must match `{key.pattern}`."
    if key.default not in (None, ""):
        said += f" Default `{str(key.default).lower() if isinstance(key.default, bool) else key.default}`."
    if key.example:
        said += f" Example: `{key.example}`."
    said = said.replace("|", "\\|")
    return f"| `{prefix}{key.name}` | {_TYPES[key.type]} | {', '.join(marks)} | {said} |"


def errors() -> str:
    """Print docs/guides/errors.md."""
    parts = [_ERRORS, "| code | severity | what it is |", "|---|---|---|"]
    parts += [f"| [{code}](#{code.lower()}) | {found.severity} | {found.title} |" for code, found in codes.CODES.items()]
    for code, found in codes.CODES.items():
        parts += ["", f"## {code}", "", f"**{found.title}** ({found.severity}). {found.why}"]
        for word, example in (("Wrong", found.wrong), ("Right", found.right)):
            if example:
                parts += ["", f"{word}:", "", "```", example, "```"]
    return "\n".join(parts) + "\n"

"""`exclave apps validate`, without the command-line library.

Building the commands costs more than checking an app of thirty components, and an editor or a commit hook runs this at every save. The
program asks `run` before it imports anything else; whatever is not the plain form of the command is left to the full program.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

FORMATS = ("text", "json", "sarif", "github")
_FLAGS = {"--offline": "offline", "--strict": "strict", "--quiet": "quiet", "-q": "quiet", "--json": "json", "-j": "json"}


def run(words: Sequence[str]) -> int | None:
    """Validate when the words say just that, and give the exit code; give None to leave the words to the full program."""
    if list(words[:2]) != ["apps", "validate"]:
        return None
    flags: set[str] = set()
    directories: list[str] = []
    format = "text"
    rest = iter(words[2:])
    for word in rest:
        if word in _FLAGS:
            flags.add(_FLAGS[word])
        elif word == "--format" or word.startswith("--format="):
            format = word.partition("=")[2] or next(rest, "")
        elif word.startswith("-"):
            return None
        else:
            directories.append(word)
    if format not in FORMATS or len(directories) > 1:
        return None
    return validate(
        Path(directories[0] if directories else "."),
        offline="offline" in flags,
        strict="strict" in flags,
        quiet="quiet" in flags,
        format="json" if "json" in flags else format,
    )


def validate(directory: Path, *, offline: bool, strict: bool, quiet: bool, format: str) -> int:
    """Check an app directory, print what is wrong, and give the exit code: 0 valid, 1 not."""
    from exclave import config
    from exclave.config import reports

    loaded = config.load(directory, offline=offline)
    found = reports.strictly(loaded.reports) if strict else loaded.reports
    if quiet:
        found = [report for report in found if report.severity != "note"]
    if found or format != "text":
        from exclave.config import formats

        prefix = os.path.relpath(directory).replace(os.sep, "/")
        match format:
            case "json":
                text = formats.as_json(loaded.app.name, found) + "\n"
            case "sarif":
                text = formats.sarif(found, prefix=prefix) + "\n"
            case "github":
                text = formats.github(found, prefix)
            case _:
                text = formats.text(found, colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR"), prefix=prefix)
        sys.stdout.write(text)
        sys.stdout.flush()
    if format == "text":
        sys.stderr.write(f"{loaded.app.name}: {reports.summary(found)}\n")
    return 1 if reports.has_errors(found) else 0

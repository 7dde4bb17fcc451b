"""Does a Rego policy parse?"""

from __future__ import annotations

import re


def problems(text: str) -> list[tuple[int, int, str]]:
    """List what keeps a module from parsing, as line, column and message."""
    if not re.search(r"^\s*package\s+\S", text, re.MULTILINE):
        return [(1, 1, "a Rego module begins with `package`")]
    return []

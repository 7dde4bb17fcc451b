"""The forms in which a secret stands in texts that tools write: what hides secrets looks for each of them."""

import base64
import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

SHORTEST = 3  # characters: less is no secret
_SHORTEST_LINE = 8
_AS_GO_QUOTES = str.maketrans({mark: f"\\u{ord(mark):04x}" for mark in "<>&\u2028\u2029"})  # in JSON: Terraform's `jsonencode`, too


def texts_of(value: Any) -> Iterable[str]:
    """Yield every text and number in a JSON value, as text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from texts_of(part)
    elif isinstance(value, list | tuple | set | frozenset):
        for part in value:
            yield from texts_of(part)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


def forms_of(text: str) -> set[str]:
    """Return the ways in which tools print a secret: quoted for JSON and URLs, in base64 at any offset, line by line."""
    quoted = json.dumps(text, ensure_ascii=False)[1:-1]
    forms = {text, json.dumps(text)[1:-1], quoted, quoted.translate(_AS_GO_QUOTES), quote(text, safe="")}
    stripped = text.strip()
    if len(stripped) >= SHORTEST:
        forms.add(stripped)
    forms.update(line.strip() for line in text.splitlines() if len(line.strip()) >= _SHORTEST_LINE)
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) >= 4:
        for offset in range(3):
            encoded = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")
            # The first characters depend on what stood before, the last on what follows: keep what is the secret's alone.
            start, end = (0, 2, 3)[offset], len(encoded) - (1 if (offset + len(raw)) % 3 else 0)
            core = encoded[start:end]
            if len(core) >= 5:
                forms.update({core, core.replace("+", "-").replace("/", "_")})
    return {form for form in forms if len(form) >= SHORTEST}

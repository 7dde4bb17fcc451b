"""Take secrets out of text: as they are, in the forms that tools print them, and when a line was cut through one."""

import re
from collections.abc import Iterable
from typing import Any

from exclave.kit.secret_forms import SHORTEST, forms_of, texts_of

MASK = "(sensitive value)"
_SHORTEST_LEARNED = 6
_LONGEST_CUT = 4096


class Redactor:
    """Replaces every known secret by a mask. Secrets may be added while it is in use."""

    def __init__(self, secrets: Iterable[Any] = ()) -> None:
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._dirty = False
        self.add(*secrets)

    def add(self, *secrets: Any) -> None:
        """Know more secrets: texts, numbers, or lists and maps of them."""
        for text in (t for secret in secrets for t in texts_of(secret)):
            if len(text) >= SHORTEST:
                self._forms.update(forms_of(text))
                self._dirty = True

    def learn(self, *secrets: Any) -> None:
        """Know values that a tool marked as secret; short ones are too common to look for in text."""
        self.add(*(t for secret in secrets for t in texts_of(secret) if len(t) >= _SHORTEST_LEARNED))

    def __call__(self, text: str, *, cut: bool = False) -> str:
        """Return the text without secrets. `cut` says that it may end within one."""
        pattern = self._newest_pattern()
        if pattern is None:
            return text
        text = pattern.sub(MASK, text)
        return self._without_begun_secret(text) if cut else text

    def document(self, value: Any) -> Any:
        """Return a JSON value whose texts hold no secret."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {self(k): self.document(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self.document(v) for v in value]
        return value

    def finds(self, value: Any) -> bool:
        """Tell whether a JSON value holds a secret, in a key, a text or as a number; short ones are too common to tell."""
        if isinstance(value, dict):
            return any(self.finds(name) or self.finds(part) for name, part in value.items())
        if isinstance(value, list):
            return any(self.finds(part) for part in value)
        if isinstance(value, str):
            pattern = self._newest_pattern()
            return pattern is not None and any(len(found[0]) >= _SHORTEST_LEARNED for found in pattern.finditer(value))
        return isinstance(value, int | float) and len(str(value)) >= _SHORTEST_LEARNED and str(value) in self._forms

    def __bool__(self) -> bool:
        return bool(self._forms)

    def _newest_pattern(self) -> re.Pattern[str] | None:
        if self._dirty:
            ordered = sorted(self._forms, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, ordered)))
            self._dirty = False
        return self._pattern

    def _without_begun_secret(self, text: str) -> str:
        longest = 0
        for form in self._forms:
            for size in range(min(len(form) - 1, len(text), _LONGEST_CUT), 3, -1):
                if text.endswith(form[:size]):
                    longest = max(longest, size)
                    break
        return text[: len(text) - longest] + MASK if longest else text

"""Ids: three letters that name a kind, then 23 random characters of `0-9a-z` (spec domain.md 0.1)."""

import secrets

ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
LENGTH = 26

_RANDOM = LENGTH - 3
# 36**23 values drawn without bias: a uniform integer below the bound, written in base 36.
_BOUND = 36**_RANDOM


def new_id(prefix: str) -> str:
    """Return a fresh id such as `inl4k0…`, 26 characters long."""
    number = secrets.randbelow(_BOUND)
    digits = []
    for _ in range(_RANDOM):
        number, digit = divmod(number, 36)
        digits.append(ALPHABET[digit])
    return prefix + "".join(digits)


def is_id(text: str) -> bool:
    """Tell an id from a name: names are shorter or longer, or use other characters."""
    return len(text) == LENGTH and all(c in ALPHABET for c in text)

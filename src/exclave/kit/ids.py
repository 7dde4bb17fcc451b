"""Ids: three letters that name a kind, then 23 random characters of `0-9a-z` (spec domain.md 0.1)."""

import os

ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
LENGTH = 26

_RANDOM = LENGTH - 3
# 252 of the 256 bytes are seven times the alphabet; the other four are left out, so that no character comes more often than another.
_FAIR = 7 * len(ALPHABET)
_CHARACTERS, _UNFAIR = (ALPHABET * 8)[:256].encode(), bytes(range(_FAIR, 256))


def new_id(prefix: str) -> str:
    """Return a fresh id such as `inl4k0…`, 26 characters long."""
    drawn = b""
    while len(drawn) < _RANDOM:
        drawn = os.urandom(2 * _RANDOM).translate(_CHARACTERS, _UNFAIR)
    return prefix + drawn[:_RANDOM].decode()


def is_id(text: str) -> bool:
    """Tell an id from a name: names are shorter or longer, or use other characters."""
    return len(text) == LENGTH and all(c in ALPHABET for c in text)

"""Decisions about logs as pure functions on values."""

import hashlib

SEVERITIES = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")

_SEVERITY_SPAN = 4  # OpenTelemetry numbers 1-24, four to a word

# Cursors below are sequence numbers of ours; above they are Unix nanoseconds, as clients of the original make them from a record.
_FIRST_NANOSECOND_CURSOR = 10**15


def severity_text(number: int) -> str:
    """The word of a severity number; empty for none."""
    return SEVERITIES[(number - 1) // _SEVERITY_SPAN] if 1 <= number <= 24 else ""


def is_time(cursor: int) -> bool:
    """Is this cursor a time rather than one of our sequence numbers?"""
    return cursor >= _FIRST_NANOSECOND_CURSOR


def made_seq(*parts: object, occurrence: int) -> int:
    """Return a number for a record whose sender numbers nothing, so that a batch that is sent again is told from a new one.

    Negative, so that it never meets a sender's own number. Equal records of one batch differ by `occurrence`.
    """
    text = "\x1f".join(map(str, (*parts, occurrence)))
    return -1 - (int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1)
